# Policies for three kinds of people, to attach to the account's own roles or groups. Each denies reading secrets, whatever
# else the person may do. Chunks and rejects hold personal data, so only `report.*`, `run.json` and `stop.json` may be read.

resource "aws_iam_policy" "operator" {
  name        = "${local.global_name}-operator"
  description = "Start, stop and watch runs, and read their reports"
  policy      = data.aws_iam_policy_document.operator.json
}

resource "aws_iam_policy" "viewer" {
  name        = "${local.global_name}-viewer"
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
    resources = [for name in ["report.*", "run.json", "stop.json"] : "${local.objects}runs/*/${name}"]
  }

  # The check whether an object is missing has no prefix, hence IfExists: without it S3 answers 403 for a missing report.
  statement {
    sid       = "ListRuns"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arn]

    condition {
      test     = "StringLikeIfExists"
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

  # `stop` marks the run; the workflow ends by itself, with a report.
  statement {
    sid       = "Stop"
    actions   = ["s3:PutObject"]
    resources = ["${local.objects}runs/*/stop.json"]
  }

  statement {
    sid       = "EncryptMarks"
    actions   = ["kms:GenerateDataKey"]
    resources = local.data_keys

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${local.region}.amazonaws.com"]
    }
  }

  statement {
    sid       = "SendAgain"
    actions   = ["sqs:DeleteMessage", "sqs:ReceiveMessage"]
    resources = [aws_sqs_queue.dead_letters.arn]
  }

  statement {
    sid = "AbortAndWatch"
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
