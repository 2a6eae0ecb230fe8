# IAM takes 6,144 characters in a managed policy, without white space, and 10,240 in a role's own policies.

mock_provider "aws" {
  source = "./tests/mocks"
}

# Names as long as AWS makes them; a deployment's own name may have 30 characters, and this one has.
override_data {
  target = data.aws_region.current
  values = { id = "ap-southeast-2" }
}

override_resource {
  target = aws_s3_bucket.store
  values = {
    id  = "autopilot-export-for-ten-brand-123456789012-ap-southeast-2"
    arn = "arn:aws:s3:::autopilot-export-for-ten-brand-123456789012-ap-southeast-2"
  }
}

override_resource {
  target = aws_kms_key.this
  values = { arn = "arn:aws:kms:ap-southeast-2:123456789012:key/3ce344e2-09ad-4293-89b9-3b6f23dd5ab0" }
}

override_resource {
  target = aws_lambda_alias.live
  values = { arn = "arn:aws:lambda:ap-southeast-2:123456789012:function:autopilot-export-for-ten-brand:live" }
}

override_resource {
  target = aws_sqs_queue.dead_letters
  values = { arn = "arn:aws:sqs:ap-southeast-2:123456789012:autopilot-export-for-ten-brand-dead-letters" }
}

override_resource {
  target = aws_secretsmanager_secret.connection
  values = { arn = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:autopilot-export-for-ten-brand/autopilot-brand-number-0-abcdef" }
}

variables {
  name         = "autopilot-export-for-ten-brand"
  config_file  = "tests/data/ten.json"
  function_zip = "tests/data/exports.json" # any file: nothing runs it here
}

# Each has its own secret, suppression file and webhook.
run "ten_connections_fit_into_each_policy" {
  assert {
    condition     = length(local.config.connections) == 10 && length(local.suppression_files) == 10 && length(distinct(local.webhook_secrets)) == 10
    error_message = "The configuration has ten of everything."
  }

  assert {
    condition = length(jsonencode([for statement in concat(
      data.aws_iam_policy_document.use_workflow.statement, data.aws_iam_policy_document.runs.statement, data.aws_iam_policy_document.administrator.statement,
      ) : {
      Sid       = statement.sid, Effect = "Allow", Action = statement.actions, Resource = statement.resources,
      Condition = [for one in statement.condition : { (one.test) = { (one.variable) = one.values } }],
    }])) < 6000
    error_message = "The administrator's policy would exceed IAM's limit."
  }

  assert {
    condition = length(jsonencode([for statement in concat(
      data.aws_iam_policy_document.no_secrets.statement, data.aws_iam_policy_document.key_through_s3["read"].statement,
      data.aws_iam_policy_document.key_through_s3["write"].statement, data.aws_iam_policy_document.read_reports.statement,
      data.aws_iam_policy_document.operate.statement, data.aws_iam_policy_document.use_workflow.statement,
      data.aws_iam_policy_document.plan.statement, data.aws_iam_policy_document.operator.statement,
      ) : {
      Sid       = statement.sid, Effect = "Allow", Action = statement.actions, Resource = statement.resources,
      Condition = [for one in statement.condition : { (one.test) = { (one.variable) = one.values } }],
    }])) < 6000
    error_message = "The operator's policy would exceed IAM's limit."
  }

  assert {
    condition = length(jsonencode([for statement in concat(data.aws_iam_policy_document.runs.statement, data.aws_iam_policy_document.function.statement) : {
      Sid       = statement.sid, Effect = "Allow", Action = statement.actions, Resource = statement.resources,
      Condition = [for one in statement.condition : { (one.test) = { (one.variable) = one.values } }],
    }])) < 10000
    error_message = "The function's policy would exceed IAM's limit."
  }

  # What names the state keys together reaches no other deployment's.
  assert {
    condition = alltrue([for statement in concat(data.aws_iam_policy_document.plan.statement, data.aws_iam_policy_document.administrator.statement) :
      alltrue([for resource in statement.resources : startswith(resource, "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:autopilot-export-for-ten-brand/")])
      if anytrue([for action in statement.actions : startswith(action, "secretsmanager:")])
    ])
    error_message = "A policy names secrets beyond the deployment's name."
  }
}
