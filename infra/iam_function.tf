# What the function may do: the bucket by prefix, its secrets, one state machine, one queue.

# What a run needs of the bucket, in the function or on the command line.
data "aws_iam_policy_document" "runs" {
  statement {
    sid     = "ReadDrops"
    actions = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = concat(
      ["${local.objects}segments/*", "${local.objects}config/*"],
      [for key in local.suppression_files : "${local.objects}${key}"],
    )
  }

  statement {
    sid       = "KeepState"
    actions   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:PutObjectTagging"]
    resources = [for prefix in ["state", "leases", "runs", "returns"] : "${local.objects}${prefix}/*"]
  }

  # Without permission to list, S3 answers 403 instead of 404 for a missing object. That check has no prefix, hence IfExists.
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arn]

    condition {
      test     = "StringLikeIfExists"
      variable = "s3:prefix"
      values   = ["segments/*", "config/*", "state/*", "leases/*", "runs/*", "returns/*"]
    }
  }
}

data "aws_iam_policy_document" "function" {
  #checkov:skip=CKV_AWS_111:X-Ray has no resource-level permissions; see the statement
  #checkov:skip=CKV_AWS_356:X-Ray has no resource-level permissions; see the statement

  source_policy_documents = [data.aws_iam_policy_document.runs.json]

  statement {
    sid       = "Keys"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = local.data_keys
  }

  dynamic "statement" {
    for_each = length(local.secrets) == 0 ? [] : ["Secrets"]

    content {
      sid       = statement.value
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [for secret in aws_secretsmanager_secret.connection : secret.arn]
    }
  }

  dynamic "statement" {
    for_each = length(var.event_queue_arns) == 0 ? [] : ["Queues"]

    content {
      sid       = statement.value
      actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
      resources = var.event_queue_arns
    }
  }

  statement {
    sid       = "StartRuns"
    actions   = ["states:StartExecution"]
    resources = [local.workflow_arn]
  }

  statement {
    sid       = "DeadLetters"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead_letters.arn]
  }

  statement {
    sid       = "Logs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.function.arn}:*"]
  }

  # AWS accepts only * here: traces belong to no resource.
  statement {
    sid       = "Traces"
    actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    resources = ["*"]
  }
}
