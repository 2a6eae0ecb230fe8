# What the services may do. Each role has one inline policy and nothing else.

locals {
  objects = "${local.bucket_arn}/"

  # Who may assume a role: its service, on behalf of this account only.
  trust = {
    for service in ["lambda", "states", "scheduler"] : service => jsonencode({
      Version = "2012-10-17"
      Statement = [merge(
        { Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "${service}.amazonaws.com" } },
        # Lambda sends no source account; creating a function requires iam:PassRole on the role.
        service == "lambda" ? {} : { Condition = { StringEquals = { "aws:SourceAccount" = local.account } } },
      )]
    })
  }
}

resource "aws_iam_role" "function" {
  name                 = "${local.global_name}-function"
  assume_role_policy   = local.trust.lambda
  permissions_boundary = var.permissions_boundary
}

resource "aws_iam_role" "workflow" {
  name                 = "${local.global_name}-workflow"
  assume_role_policy   = local.trust.states
  permissions_boundary = var.permissions_boundary
}

resource "aws_iam_role" "scheduler" {
  name                 = "${local.global_name}-scheduler"
  assume_role_policy   = local.trust.scheduler
  permissions_boundary = var.permissions_boundary
}

resource "aws_iam_role_policy" "function" {
  name   = "steps"
  role   = aws_iam_role.function.id
  policy = data.aws_iam_policy_document.function.json
}

resource "aws_iam_role_policy" "workflow" {
  name   = "run"
  role   = aws_iam_role.workflow.id
  policy = data.aws_iam_policy_document.workflow.json
}

resource "aws_iam_role_policy" "scheduler" {
  name   = "start"
  role   = aws_iam_role.scheduler.id
  policy = data.aws_iam_policy_document.scheduler.json
}

data "aws_iam_policy_document" "workflow" {
  #checkov:skip=CKV_AWS_111:X-Ray and log delivery have no resource-level permissions; see the statements
  #checkov:skip=CKV_AWS_356:X-Ray and log delivery have no resource-level permissions; see the statements

  statement {
    sid       = "Steps"
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_alias.live.arn]
  }

  # A Distributed Map starts its children as executions of the same machine, and reads its list of lanes.
  statement {
    sid       = "StartLanes"
    actions   = ["states:StartExecution"]
    resources = [local.workflow_arn]
  }

  statement {
    sid       = "FollowLanes"
    actions   = ["states:DescribeExecution", "states:RedriveExecution", "states:StopExecution"]
    resources = ["${local.executions_arn}:*", "${local.executions_arn}/lanes:*"]
  }

  statement {
    sid       = "ReadLanes"
    actions   = ["s3:GetObject"]
    resources = ["${local.objects}runs/*"]
  }

  statement {
    sid       = "Tell"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alerts.arn]
  }

  statement {
    sid       = "Announce"
    actions   = ["events:PutEvents"]
    resources = ["arn:${local.partition}:events:${local.region}:${local.account}:event-bus/default"]
  }

  statement {
    sid       = "TellInCipher"
    actions   = ["kms:GenerateDataKey"]
    resources = [aws_kms_key.this.arn]
  }

  statement {
    sid       = "Decrypt"
    actions   = ["kms:Decrypt"]
    resources = local.data_keys
  }

  # AWS accepts only * here: log delivery is configured per account, not per resource.
  statement {
    sid = "Logs"
    actions = [
      "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies",
      "logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
    ]
    resources = ["*"]
  }

  # AWS accepts only * here: traces belong to no resource.
  statement {
    sid       = "Traces"
    actions   = ["xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    resources = ["*"]
  }
}

data "aws_iam_policy_document" "scheduler" {
  statement {
    sid       = "Start"
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_alias.live.arn]
  }

  statement {
    sid       = "DeadLetters"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead_letters.arn]
  }
}
