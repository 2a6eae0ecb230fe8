"""A deployment that is taken down and put up again, with the targets that people use.

Tests run in this order.
"""

import json

import pytest
from scene import KEY, emails
from world import CLI

CONNECTIONS = ["plain"]
# As people deploy it: what is destroyed can be restored for a week.
VARIABLES = {"force_destroy": "false"}


def the_key(aws):
    (alias,) = [one for one in aws.client("kms").list_aliases()["Aliases"] if one["AliasName"] == "alias/autopilot-export"]
    return alias["TargetKeyId"]


def state_of(aws, key):
    return aws.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"]


def test_a_bucket_that_holds_data_keeps_its_key_settings_and_secrets(aws):
    assert aws.ended(aws.drop("plain", emails("plain", 50)))["status"] == "SUCCEEDED"
    result = aws.make("destroy")
    assert result.returncode != 0 and "force_destroy=true" in result.stderr, result.stdout + result.stderr
    s3, bucket = aws.client("s3"), {"Bucket": aws.outputs["bucket"]}
    assert all(s3.get_public_access_block(**bucket)["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_lifecycle_configuration(**bucket)["Rules"]
    (rule,) = s3.get_bucket_encryption(**bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    key = rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]
    assert (state_of(aws, key), key.endswith(the_key(aws))) == ("Enabled", True)
    assert json.loads(aws.client("secretsmanager").get_secret_value(SecretId="autopilot-export/plain")["SecretString"])["api_key"] == KEY


def test_what_was_taken_down_comes_back_with_its_secrets_and_their_key(aws):
    secrets, s3 = aws.client("secretsmanager"), aws.client("s3")
    value = lambda name: secrets.get_secret_value(SecretId=f"autopilot-export/{name}")["SecretString"]
    stored, key = {name: value(name) for name in ("plain", "plain/state-key")}, the_key(aws)
    # People who take it down copy first what they need.
    kept = aws.objects()
    held = s3.list_object_versions(Bucket=aws.outputs["bucket"])
    assert not held["IsTruncated"]
    for one in [*held["Versions"], *held.get("DeleteMarkers", [])]:
        s3.delete_object(Bucket=aws.outputs["bucket"], Key=one["Key"], VersionId=one["VersionId"])
    result = aws.make("destroy")
    assert result.returncode == 0, result.stdout + result.stderr
    assert state_of(aws, key) == "PendingDeletion"
    assert not aws.client("lambda").list_functions()["Functions"] and not s3.list_buckets()["Buckets"]
    with pytest.raises(secrets.exceptions.InvalidRequestException):
        value("plain")
    # A connection is new, and its key is stored first: neither its secret is there nor the bucket. A state key that is there stays.
    aws.configure(["late"])
    secrets.create_secret(Name="autopilot-export/late/state-key", SecretString="5" * 64, Tags=[{"Key": "application", "Value": "autopilot-export"}])
    result = aws.run([CLI, "--config", aws.config, "--store", "s3://not-deployed-yet", "connect", "late"], given=f"{KEY}\n")
    assert result.returncode == 0 and "is not there yet" in result.stderr, result.stderr
    stored |= {"late": json.dumps({"api_key": KEY, "state_key": "5" * 64}), "late/state-key": "5" * 64}
    result = aws.make("deploy")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("is taken over") == 4, result.stdout
    assert state_of(aws, key) == "Enabled", "the secrets were encrypted with it"
    for name, text in stored.items():
        assert value(name) == text or json.loads(value(name)) == json.loads(text), name
    # What was copied is put back, and runs go on with it: who is known is not sent again.
    for name, body in kept.items():
        if name.startswith("state/"):
            s3.put_object(Bucket=aws.outputs["bucket"], Key=name, Body=body)
    run = aws.drop("plain", emails("plain", 51))
    assert aws.ended(run)["status"] == "SUCCEEDED"
    rows = aws.report(run)["rows"]
    assert (rows["unchanged"], rows["delivered"]) == (50, 1), rows


def test_a_connection_that_was_taken_out_and_put_back_has_its_secrets(aws):
    secrets, whole = aws.client("secretsmanager"), aws.config.read_text()
    names = ["autopilot-export/late", "autopilot-export/late/state-key"]
    before = [secrets.get_secret_value(SecretId=name)["SecretString"] for name in names]
    part = json.loads(whole)
    del part["connections"]["late"], part["exports"]["late"]
    for text, is_there in [(json.dumps(part), False), (whole, True)]:
        aws.config.write_text(text)
        result = aws.make("deploy")
        assert result.returncode == 0, result.stdout + result.stderr
        assert all(("DeletedDate" in secrets.describe_secret(SecretId=name)) != is_there for name in names)
    assert [secrets.get_secret_value(SecretId=name)["SecretString"] for name in names] == before
