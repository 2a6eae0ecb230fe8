# Policies for three kinds of people, to attach to the account's own roles or groups. Each denies reading secrets, whatever
# else the person may do. Chunks and rejects hold personal data, so only `report.*` and `run.json` may be read.

resource "aws_iam_policy" "operator" {
  name        = "${var.name}-operator"
  description = "Start, stop and watch runs, and read their reports"
  policy      = data.aws_iam_policy_document.operator.json
}

resource "aws_iam_policy" "viewer" {
  name        = "${var.name}-viewer"
  description = "Read the reports of runs"
  policy      = data.aws_iam_policy_document.viewer.json
}

data "aws_iam_policy_document" "no_secrets" {
  dynamic "statement" {
    for_each = length(local.secrets) == 0 ? [] : ["NoSecrets"]

    content {
      sid       = statement.value
      effect    = "Deny"
      actions   = ["secretsmanager:BatchGetSecretValue", "secretsmanager:GetSecretValue"]
      resources = [for secret in aws_secretsmanager_secret.connection : secret.arn]
    }
  }

  # Through S3 only: the same key encrypts the secrets.
  statement {
    sid       = "DecryptObjects"
    actions   = ["kms:Decrypt"]
    resources = local.data_keys

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${local.region}.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "viewer" {
  source_policy_documents = [data.aws_iam_policy_document.no_secrets.json]

  statement {
    sid       = "ReadReports"
    actions   = ["s3:GetObject"]
    resources = ["${local.objects}runs/*/report.*", "${local.objects}runs/*/run.json"]
  }

  statement {
    sid       = "ListRuns"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["runs/*"]
    }
  }
}

data "aws_iam_policy_document" "operator" {
  source_policy_documents = [data.aws_iam_policy_document.viewer.json]

  statement {
    sid       = "Start"
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_function.this.arn]
  }

  statement {
    sid       = "StartAndList"
    actions   = ["states:DescribeStateMachine", "states:ListExecutions", "states:StartExecution"]
    resources = [local.workflow_arn]
  }

  statement {
    sid = "StopAndWatch"
    actions = [
      "states:DescribeExecution", "states:DescribeMapRun", "states:GetExecutionHistory", "states:ListMapRuns",
      "states:RedriveExecution", "states:StopExecution",
    ]
    resources = [
      "${local.executions_arn}:*", "${local.executions_arn}/lanes:*",
      "arn:${local.partition}:states:${local.region}:${local.account}:mapRun:${var.name}/lanes:*",
    ]
  }
}
