# Who stores keys, and runs commands from a machine of their own on the deployment's bucket: the one kind of people who may read
# secrets and everything of a run.

resource "aws_iam_policy" "administrator" {
  name        = "${local.global_name}-administrator"
  description = "Store the connections' keys, and everything that the command line does with the bucket: personal data"
  policy      = data.aws_iam_policy_document.administrator.json

  lifecycle {
    precondition {
      condition     = local.characters.administrator <= local.most_characters
      error_message = "The administrator's policy would exceed IAM's 6,144 characters: use fewer suppression files, or fewer secrets of other names than autopilot-export/..."
    }
  }
}

data "aws_iam_policy_document" "administrator" {
  # Reading reports and marking a run as stopped is part of `runs`.
  source_policy_documents = [data.aws_iam_policy_document.use_workflow.json, data.aws_iam_policy_document.runs.json]

  dynamic "statement" {
    for_each = length(local.secrets) == 0 ? [] : ["Secrets"]

    content {
      sid       = statement.value
      actions   = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]
      resources = local.all_secrets
    }
  }

  # `erase` looks at everything of the program's, and at what it held before.
  statement {
    sid       = "FindPerson"
    actions   = ["s3:ListBucket", "s3:ListBucketVersions"]
    resources = [local.bucket_arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = concat(["segments/*", "config/*", "state/*", "runs/*", "returns/*"], local.suppression_files)
    }
  }

  statement {
    sid       = "ErasePerson"
    actions   = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
    resources = [for prefix in ["segments", "config", "state", "runs", "returns"] : "${local.objects}${prefix}/*"]
  }

  dynamic "statement" {
    for_each = length(local.suppression_files) == 0 ? [] : ["SuppressionFiles"]

    content {
      sid       = statement.value
      actions   = ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObject"]
      resources = [for key in local.suppression_files : "${local.objects}${key}"]
    }
  }

  statement {
    sid       = "Keys"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = local.data_keys

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = [for service in ["s3", "secretsmanager"] : "${service}.${local.region}.${local.dns_suffix}"]
    }
  }
}
