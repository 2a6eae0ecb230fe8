# Least privilege: nobody may do more than they need, and no person reads an API key.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  config_file  = "tests/data/exports.json"
  function_zip = "tests/data/exports.json" # any file: nothing runs it here
}

run "nobody_may_do_more_than_they_need" {
  # No statement has a wildcard action.
  assert {
    condition = alltrue(flatten([for statement in flatten([
      data.aws_iam_policy_document.function.statement,
      data.aws_iam_policy_document.runs.statement,
      data.aws_iam_policy_document.workflow.statement,
      data.aws_iam_policy_document.scheduler.statement,
      data.aws_iam_policy_document.key.statement,
      data.aws_iam_policy_document.no_secrets.statement,
      data.aws_iam_policy_document.administrator.statement,
      data.aws_iam_policy_document.rejects.statement,
      [for document in data.aws_iam_policy_document.key_through_s3 : document.statement],
      data.aws_iam_policy_document.operator.statement,
      data.aws_iam_policy_document.operate.statement,
      data.aws_iam_policy_document.use_workflow.statement,
      data.aws_iam_policy_document.read_reports.statement,
      data.aws_iam_policy_document.plan.statement,
      data.aws_iam_policy_document.viewer.statement,
      [for document in data.aws_iam_policy_document.contributor : document.statement],
    ]) : [for action in statement.actions : !strcontains(action, "*")]]))
    error_message = "An action with * in it: name the actions."
  }

  # Every statement names its resources.
  assert {
    condition = alltrue([for statement in flatten([
      data.aws_iam_policy_document.function.statement,
      data.aws_iam_policy_document.runs.statement,
      data.aws_iam_policy_document.workflow.statement,
      data.aws_iam_policy_document.scheduler.statement,
      data.aws_iam_policy_document.no_secrets.statement,
      data.aws_iam_policy_document.administrator.statement,
      data.aws_iam_policy_document.rejects.statement,
      [for document in data.aws_iam_policy_document.key_through_s3 : document.statement],
      data.aws_iam_policy_document.operator.statement,
      data.aws_iam_policy_document.operate.statement,
      data.aws_iam_policy_document.use_workflow.statement,
      data.aws_iam_policy_document.read_reports.statement,
      data.aws_iam_policy_document.plan.statement,
      data.aws_iam_policy_document.viewer.statement,
      [for document in data.aws_iam_policy_document.contributor : document.statement],
      ]) : !contains(statement.resources, "*") || alltrue([for action in statement.actions :
      startswith(action, "xray:") || strcontains(action, ":CreateLogDelivery") || can(regex("LogDeliver|DescribeLogGroups|ResourcePolic", action))
    ])])
    error_message = "Only X-Ray and log delivery, which have no resource-level permissions, may have the resource *."
  }

  # Neither mocks nor the local AWS ask for the workflow's permissions: here is what it needs, statement by statement.
  assert {
    condition = jsonencode({ for statement in data.aws_iam_policy_document.workflow.statement : statement.sid => [sort(statement.actions), sort(statement.resources)] }) == jsonencode({
      Steps      = [["lambda:InvokeFunction"], [aws_lambda_alias.live.arn]]
      StartLanes = [["states:StartExecution"], [local.workflow_arn]]
      FollowLanes = [
        ["states:DescribeExecution", "states:RedriveExecution", "states:StopExecution"],
        ["${local.executions_arn}/lanes:*", "${local.executions_arn}:*"],
      ]
      ReadLanes    = [["s3:GetObject"], ["arn:aws:s3:::own-bucket/runs/*"]]
      Tell         = [["sns:Publish"], [aws_sns_topic.alerts.arn]]
      Announce     = [["events:PutEvents"], ["arn:aws:events:eu-central-1:123456789012:event-bus/default"]]
      TellInCipher = [["kms:GenerateDataKey"], [aws_kms_key.this.arn]]
      Decrypt      = [["kms:Decrypt"], [aws_kms_key.this.arn]]
      Logs = [[
        "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
      ], ["*"]]
      Traces = [["xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"]]
    })
    error_message = "The workflow may do something else than what its states, lanes, logs and traces need."
  }

  assert {
    condition = jsonencode({ for statement in data.aws_iam_policy_document.scheduler.statement : statement.sid => [sort(statement.actions), sort(statement.resources)] }) == jsonencode({
      Start       = [["lambda:InvokeFunction"], [aws_lambda_alias.live.arn]]
      DeadLetters = [["sqs:SendMessage"], [aws_sqs_queue.dead_letters.arn]]
    })
    error_message = "A schedule starts the function, or sends to the dead-letter queue."
  }

  # The function reads drops and writes only its own prefixes.
  assert {
    condition = setunion([for statement in data.aws_iam_policy_document.runs.statement : statement.resources if contains(statement.actions, "s3:PutObject")]...) == toset([
      "arn:aws:s3:::own-bucket/state/*", "arn:aws:s3:::own-bucket/leases/*", "arn:aws:s3:::own-bucket/runs/*",
      "arn:aws:s3:::own-bucket/returns/*",
    ])
    error_message = "The function writes under state/, leases/, runs/ and returns/ only."
  }

  assert {
    condition     = alltrue(flatten([for statement in data.aws_iam_policy_document.function.statement : [for action in statement.actions : !startswith(action, "s3:")]]))
    error_message = "The function does with the bucket what runs do, and nothing else."
  }

  assert {
    condition = setunion([for statement in data.aws_iam_policy_document.runs.statement : statement.resources if statement.sid == "ReadDrops"]...) == toset([
      "arn:aws:s3:::own-bucket/segments/*", "arn:aws:s3:::own-bucket/config/*", "arn:aws:s3:::own-bucket/lists/do-not-mail.txt",
    ])
    error_message = "The function reads drops, its configuration and the suppression files that it names."
  }

  assert {
    condition     = alltrue([for statement in data.aws_iam_policy_document.runs.statement : length(statement.condition) == 1 if contains(statement.actions, "s3:ListBucket")])
    error_message = "Listing is limited to prefixes."
  }

  # No person reads a secret, but for an operator the state keys.
  assert {
    condition = alltrue([for statement in flatten([
      data.aws_iam_policy_document.operator.statement,
      data.aws_iam_policy_document.operate.statement,
      data.aws_iam_policy_document.use_workflow.statement,
      data.aws_iam_policy_document.read_reports.statement,
      data.aws_iam_policy_document.viewer.statement,
      [for document in data.aws_iam_policy_document.contributor : document.statement],
    ]) : alltrue([for action in statement.actions : !startswith(action, "secretsmanager:")])])
    error_message = "A policy for people allows something on secrets."
  }

  assert {
    condition = anytrue([for statement in data.aws_iam_policy_document.no_secrets.statement :
    statement.effect == "Deny" && contains(statement.actions, "secretsmanager:GetSecretValue")])
    error_message = "The policies for people deny reading the secrets."
  }

  assert {
    condition = alltrue([for document in concat(
      [data.aws_iam_policy_document.viewer, data.aws_iam_policy_document.operator], values(data.aws_iam_policy_document.contributor),
    ) : contains(document.source_policy_documents, data.aws_iam_policy_document.no_secrets.json)])
    error_message = "Every policy for people but the administrator's contains the denial."
  }

  assert {
    condition     = alltrue([for statement in data.aws_iam_policy_document.plan.statement : alltrue([for action in statement.actions : !startswith(action, "s3:Put")])])
    error_message = "Who plans writes nothing."
  }

  # People may decrypt with the secrets' key through a service only.
  assert {
    condition = alltrue([for statement in flatten([
      data.aws_iam_policy_document.no_secrets.statement,
      data.aws_iam_policy_document.administrator.statement,
      data.aws_iam_policy_document.rejects.statement,
      [for document in data.aws_iam_policy_document.key_through_s3 : document.statement],
      data.aws_iam_policy_document.operator.statement,
      data.aws_iam_policy_document.operate.statement,
      data.aws_iam_policy_document.use_workflow.statement,
      data.aws_iam_policy_document.read_reports.statement,
      data.aws_iam_policy_document.plan.statement,
      data.aws_iam_policy_document.viewer.statement,
      [for document in data.aws_iam_policy_document.contributor : document.statement],
      ]) : anytrue([for condition in statement.condition : condition.variable == "kms:ViaService"])
    if anytrue([for action in statement.actions : startswith(action, "kms:")])])
    error_message = "People use the key through S3 and Secrets Manager only."
  }

  # No person reads chunks or rejects.
  assert {
    condition = alltrue(flatten([for statement in flatten([
      data.aws_iam_policy_document.operator.statement,
      data.aws_iam_policy_document.operate.statement,
      data.aws_iam_policy_document.use_workflow.statement,
      data.aws_iam_policy_document.read_reports.statement,
      data.aws_iam_policy_document.viewer.statement,
      [for document in data.aws_iam_policy_document.contributor : document.statement],
      ]) : [for resource in statement.resources : anytrue([for name in ["/report.*", "/run.json", "/stop.json", "/order.json", "/index.html", "/index.json"] : endswith(resource, name)])]
    if contains(statement.actions, "s3:GetObject")]))
    error_message = "People may read reports and requests only."
  }

  # Who erases a person reaches suppression files as well, and versions of everything.
  assert {
    condition = jsonencode({ for statement in data.aws_iam_policy_document.administrator.statement : statement.sid => [
      sort(statement.actions), sort(statement.resources), sort(flatten(statement.condition[*].values)),
      ] if contains(["FindPerson", "ErasePerson", "SuppressionFiles", "Secrets"], statement.sid) }) == jsonencode({
      FindPerson = [
        ["s3:ListBucket", "s3:ListBucketVersions"], ["arn:aws:s3:::own-bucket"],
        ["config/*", "lists/do-not-mail.txt", "returns/*", "runs/*", "segments/*", "state/*"],
      ]
      ErasePerson = [["s3:DeleteObject", "s3:DeleteObjectVersion"], [
        "arn:aws:s3:::own-bucket/config/*", "arn:aws:s3:::own-bucket/returns/*", "arn:aws:s3:::own-bucket/runs/*",
        "arn:aws:s3:::own-bucket/segments/*", "arn:aws:s3:::own-bucket/state/*",
      ], []]
      SuppressionFiles = [["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObject"], ["arn:aws:s3:::own-bucket/lists/do-not-mail.txt"], []]
      # In one: AWS takes 6,144 characters.
      Secrets = [
        ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"],
        ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:autopilot-export/*"], [],
      ]
    })
    error_message = "An administrator's erase would stop half-way, or a connection's secrets are each in the policy."
  }

  # An operator writes the mark that stops a run, and nothing else.
  assert {
    condition = setunion([for statement in data.aws_iam_policy_document.operate.statement : statement.resources if contains(statement.actions, "s3:PutObject")]...) == toset([
      "arn:aws:s3:::own-bucket/runs/*/stop.json",
    ])
    error_message = "An operator may write the marks of stopped runs only."
  }

  # A contributor drops only the segments of one export.
  assert {
    condition = setunion([for statement in data.aws_iam_policy_document.contributor["newsletter"].statement : statement.resources if contains(statement.actions, "s3:PutObject")]...) == toset([
      "arn:aws:s3:::own-bucket/segments/newsletter/*", "arn:aws:s3:::own-bucket/segments/digest/*",
    ])
    error_message = "A contributor writes under the prefixes of one export's segments."
  }

  assert {
    condition = alltrue(flatten([for statement in data.aws_iam_policy_document.contributor["vip"].statement :
      [for resource in statement.resources : startswith(resource, "arn:aws:s3:::own-bucket/runs/vip/")]
    if contains(statement.actions, "s3:GetObject")]))
    error_message = "A contributor reads the reports of one export."
  }
}
