# Who stores keys, and runs commands from a machine of their own on the deployment's bucket: the one kind of people who may read
# secrets and everything of a run.

resource "aws_iam_policy" "administrator" {
  name        = "${local.global_name}-administrator"
  description = "Store the connections' keys, and everything that the command line does with the bucket: personal data"
  policy      = data.aws_iam_policy_document.administrator.json
}

data "aws_iam_policy_document" "administrator" {
  source_policy_documents = [data.aws_iam_policy_document.operate.json, data.aws_iam_policy_document.runs.json]

  dynamic "statement" {
    for_each = length(local.secrets) == 0 ? [] : ["Secrets"]

    content {
      sid     = statement.value
      actions = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]
      # Those that begin with the deployment's name together: a policy holds 6,144 characters.
      resources = distinct([for name, secret in aws_secretsmanager_secret.connection : startswith(name, "${var.name}/") ?
        "arn:${local.partition}:secretsmanager:${local.region}:${local.account}:secret:${var.name}/*" : secret.arn
      ])
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
    sid     = "ErasePerson"
    actions = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
    resources = concat(
      [for prefix in ["segments", "config", "state", "runs", "returns"] : "${local.objects}${prefix}/*"],
      [for key in local.suppression_files : "${local.objects}${key}"],
    )
  }

  dynamic "statement" {
    for_each = length(local.suppression_files) == 0 ? [] : ["RewriteSuppressionFiles"]

    content {
      sid       = statement.value
      actions   = ["s3:PutObject"]
      resources = [for key in local.suppression_files : "${local.objects}${key}"]
    }
  }

  statement {
    sid       = "KeyToSecrets"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.this.arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${local.region}.${local.dns_suffix}"]
    }
  }
}
