# Personal data is encrypted, closed to the public, and expires.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  config_file  = "tests/data/exports.json"
  function_zip = "tests/data/exports.json" # any file: nothing runs it here
}

run "personal_data_is_encrypted_and_expires" {
  variables {
    runs_expire_days       = 500
    personal_expire_days   = 14
    drops_expire_days      = 40
    noncurrent_expire_days = 3
  }

  # Runs drops and old versions expire.
  assert {
    condition = { for rule in aws_s3_bucket_lifecycle_configuration.store[0].rule : rule.filter[0].prefix => rule.expiration[0].days if contains(["runs", "returns", "drops"], rule.id) } == {
      "runs/"     = 500
      "returns/"  = 14
      "segments/" = 40
    }
    error_message = "All under runs/, returns/ and segments/ expires after the days asked for."
  }

  # Personal data goes before the report, and its old versions at once.
  assert {
    condition = [for rule in aws_s3_bucket_lifecycle_configuration.store[0].rule : [
      rule.filter[0].tag[0].key, rule.filter[0].tag[0].value, tostring(rule.expiration[0].days), tostring(rule.noncurrent_version_expiration[0].noncurrent_days),
    ] if rule.id == "personal"] == [["content", "personal", "14", "1"]]
    error_message = "Personal data of a run outlives what was asked for."
  }

  assert {
    condition = anytrue([for rule in aws_s3_bucket_lifecycle_configuration.store[0].rule :
    try(rule.noncurrent_version_expiration[0].noncurrent_days, 0) == 3])
    error_message = "Replaced and deleted versions expire; otherwise personal data would be kept for ever."
  }

  assert {
    condition = anytrue([for rule in aws_s3_bucket_lifecycle_configuration.store[0].rule :
    try(rule.abort_incomplete_multipart_upload[0].days_after_initiation, 0) > 0])
    error_message = "Uploads that were never finished are removed."
  }

  assert {
    condition     = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.store[0].rule : rule.status == "Enabled"])
    error_message = "Every rule is on."
  }

  # The bucket is versioned encrypted and closed.
  assert {
    condition     = aws_s3_bucket_versioning.store[0].versioning_configuration[0].status == "Enabled"
    error_message = "The bucket keeps versions."
  }

  assert {
    condition = alltrue([for rule in aws_s3_bucket_server_side_encryption_configuration.store[0].rule :
    rule.apply_server_side_encryption_by_default[0].kms_master_key_id == aws_kms_key.this.arn])
    error_message = "The bucket is encrypted with our own key."
  }

  assert {
    condition     = aws_kms_key.this.enable_key_rotation
    error_message = "The key rotates."
  }

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.store[0].block_public_acls, aws_s3_bucket_public_access_block.store[0].block_public_policy,
      aws_s3_bucket_public_access_block.store[0].ignore_public_acls, aws_s3_bucket_public_access_block.store[0].restrict_public_buckets,
    ])
    error_message = "Nothing in the bucket can be made public."
  }

  assert {
    condition     = jsondecode(aws_s3_bucket_policy.store[0].policy).Statement[0].Effect == "Deny" && jsondecode(aws_s3_bucket_policy.store[0].policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"
    error_message = "Calls without TLS are refused."
  }

  assert {
    condition     = !aws_s3_bucket.store[0].force_destroy
    error_message = "Objects are destroyed without force_destroy."
  }

  # Logs and dead letters do not stay for ever.
  assert {
    condition     = aws_cloudwatch_log_group.function.retention_in_days == 30 && aws_cloudwatch_log_group.workflow.retention_in_days == 30
    error_message = "Both log groups have a retention."
  }

  assert {
    condition     = aws_sqs_queue.dead_letters.message_retention_seconds == 1209600
    error_message = "Dead letters wait for 14 days."
  }

  # Each connection has two empty secrets.
  assert {
    condition     = toset([for secret in aws_secretsmanager_secret.connection : secret.name]) == toset(flatten([for name in ["autopilot-eu", "autopilot-us"] : ["autopilot-export/${name}", "autopilot-export/${name}/state-key"]]))
    error_message = "A secret per connection, by the configured name, and one of its state key alone."
  }

  assert {
    condition     = alltrue([for secret in aws_secretsmanager_secret.connection : secret.kms_key_id == aws_kms_key.this.arn])
    error_message = "Secrets are encrypted with our own key."
  }
}
