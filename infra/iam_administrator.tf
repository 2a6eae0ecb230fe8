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
      sid       = statement.value
      actions   = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]
      resources = [for secret in aws_secretsmanager_secret.connection : secret.arn]
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
