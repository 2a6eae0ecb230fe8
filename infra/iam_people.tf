# Policies for people, to attach to the account's own roles or groups: docs/OPERATIONS.md has the table. All but the administrator's
# deny reading the API keys, whatever else the person may do. Chunks and results hold personal data, and so do rejects, which have a
# policy of their own; else only `report.*`, `run.json` and `stop.json` may be read of a run.

resource "aws_iam_policy" "operator" {
  name        = "${local.global_name}-operator"
  description = "Plan, start, stop and watch runs, and read their reports"
  policy      = data.aws_iam_policy_document.operator.json

  lifecycle {
    precondition {
      condition     = local.characters.operator <= local.most_characters
      error_message = "The operator's policy would exceed IAM's 6,144 characters: use fewer connections and webhooks in one deployment, or fewer secrets of other names than autopilot-export/..."
    }
  }
}

resource "aws_iam_policy" "viewer" {
  name        = "${local.global_name}-viewer"
  description = "Read the reports of runs"
  policy      = data.aws_iam_policy_document.viewer.json
}

resource "aws_iam_policy" "rejects" {
  name        = "${local.global_name}-rejects"
  description = "Read the rejected rows of runs: personal data"
  policy      = data.aws_iam_policy_document.rejects.json
}

locals {
  # Of a managed policy, without white space. Source: the IAM user guide, "IAM and AWS STS quotas".
  most_characters = 6144
  characters = { for who, policy in { administrator = data.aws_iam_policy_document.administrator, operator = data.aws_iam_policy_document.operator } :
    who => length(replace(policy.json, "/\\s/", ""))
  }

  # Secrets whose names begin with the deployment's name are named together.
  secrets_begin = "arn:${local.partition}:secretsmanager:${local.region}:${local.account}:secret:${var.name}/"
  all_secrets   = distinct([for name, secret in aws_secretsmanager_secret.connection : startswith(name, "${var.name}/") ? "${local.secrets_begin}*" : secret.arn])
  every_state_key = distinct([for name in local.state_key_secrets : startswith(name, "${var.name}/") ?
    "${local.secrets_begin}*/state-key-??????" : aws_secretsmanager_secret.connection[name].arn
  ])
}

data "aws_iam_policy_document" "no_secrets" {
  dynamic "statement" {
    for_each = length(local.secrets) == 0 ? [] : ["NoSecrets"]

    content {
      sid       = statement.value
      effect    = "Deny"
      actions   = ["secretsmanager:BatchGetSecretValue", "secretsmanager:GetSecretValue"]
      resources = [for name, secret in aws_secretsmanager_secret.connection : secret.arn if !contains(local.state_key_secrets, name)]
    }
  }
}

# What `plan` compares a file with: the state, which is of keyed digests, and their key.
data "aws_iam_policy_document" "plan" {
  statement {
    sid       = "ReadState"
    actions   = ["s3:GetObject"]
    resources = ["${local.objects}state/*"]
  }

  statement {
    sid       = "ListState"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arn]

    condition {
      test     = "StringLikeIfExists"
      variable = "s3:prefix"
      values   = ["state/*"]
    }
  }

  dynamic "statement" {
    for_each = length(local.state_key_secrets) == 0 ? [] : ["ReadStateKeys"]

    content {
      sid       = statement.value
      actions   = ["secretsmanager:GetSecretValue"]
      resources = local.every_state_key
    }
  }

  statement {
    sid       = "KeyToStateKeys"
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.this.arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${local.region}.${local.dns_suffix}"]
    }
  }
}

# The key, through S3 only: it encrypts the secrets as well.
data "aws_iam_policy_document" "key_through_s3" {
  for_each = { read = "kms:Decrypt", write = "kms:GenerateDataKey" }

  statement {
    sid       = "KeyTo${title(each.key)}"
    actions   = [each.value]
    resources = local.data_keys

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${local.region}.${local.dns_suffix}"]
    }
  }
}

data "aws_iam_policy_document" "read_reports" {
  source_policy_documents = [data.aws_iam_policy_document.key_through_s3["read"].json]

  # order.json says how many members a segment has, and nothing of any person; nor does the index of the runs.
  statement {
    sid     = "ReadReports"
    actions = ["s3:GetObject"]
    resources = concat(
      [for name in ["report.*", "run.json", "stop.json"] : "${local.objects}runs/*/${name}"],
      [for name in ["runs/index.html", "runs/index.json", "state/*/order.json"] : "${local.objects}${name}"],
    )
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

data "aws_iam_policy_document" "viewer" {
  source_policy_documents = [data.aws_iam_policy_document.no_secrets.json, data.aws_iam_policy_document.read_reports.json]
}

data "aws_iam_policy_document" "rejects" {
  source_policy_documents = [data.aws_iam_policy_document.viewer.json]

  statement {
    sid       = "ReadRejects"
    actions   = ["s3:GetObject"]
    resources = ["${local.objects}runs/*/rejects.csv"]
  }
}

data "aws_iam_policy_document" "operator" {
  source_policy_documents = [
    data.aws_iam_policy_document.no_secrets.json, data.aws_iam_policy_document.operate.json, data.aws_iam_policy_document.plan.json,
  ]
}

data "aws_iam_policy_document" "operate" {
  source_policy_documents = [
    data.aws_iam_policy_document.read_reports.json, data.aws_iam_policy_document.key_through_s3["write"].json,
    data.aws_iam_policy_document.use_workflow.json,
  ]

  # `stop` marks the run; the workflow ends by itself, with a report.
  statement {
    sid       = "Stop"
    actions   = ["s3:PutObject"]
    resources = ["${local.objects}runs/*/stop.json"]
  }
}

data "aws_iam_policy_document" "use_workflow" {
  statement {
    sid       = "Start"
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_alias.live.arn]
  }

  statement {
    sid       = "StartAndList"
    actions   = ["states:DescribeStateMachine", "states:ListExecutions", "states:StartExecution"]
    resources = [local.workflow_arn]
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
