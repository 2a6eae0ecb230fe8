# The function starts runs and performs each of their steps.

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_115:reserved_concurrency is a variable; the workflow's lanes already bound the calls of a run
  #checkov:skip=CKV_AWS_116:events that fail go to the dead-letter queue as an on-failure destination, which also says why
  #checkov:skip=CKV_AWS_117:it calls Autopilot and AWS over TLS only; a VPC would add a NAT gateway and protect nothing
  #checkov:skip=CKV_AWS_272:the zip comes from the deployer's own build, and its digest is in the plan
  function_name                  = var.name
  description                    = "Exports customer segments to Autopilot"
  role                           = aws_iam_role.function.arn
  runtime                        = "provided.al2023"
  handler                        = "bootstrap"
  architectures                  = [var.architecture]
  filename                       = var.function_zip
  source_code_hash               = try(filebase64sha256(var.function_zip), null) # a plan, or a destruction, needs no zip
  memory_size                    = var.memory_mb
  timeout                        = var.timeout_seconds
  reserved_concurrent_executions = coalesce(var.reserved_concurrency, -1)
  kms_key_arn                    = aws_kms_key.this.arn
  publish                        = true # each deployment's code and settings stay, for `make rollback`

  ephemeral_storage {
    size = var.ephemeral_mb
  }

  environment {
    variables = merge(
      {
        AUTOPILOT_EXPORT_BUCKET       = local.bucket
        AUTOPILOT_EXPORT_WORKFLOW_ARN = local.workflow_arn
        RUST_LOG                      = "info"
      },
      var.base_url_override == null ? {} : { AUTOPILOT_BASE_URL = var.base_url_override },
      var.ortto_base_url_override == null ? {} : { ORTTO_BASE_URL = var.ortto_base_url_override },
    )
  }

  tracing_config {
    mode = "Active"
  }

  lifecycle {
    precondition {
      condition     = var.reserved_concurrency == null ? true : var.reserved_concurrency > local.most_lanes
      error_message = "reserved_concurrency: must exceed the most lanes of a connection (${local.most_lanes}), or lanes wait for each other."
    }
  }

  depends_on = [aws_cloudwatch_log_group.function, aws_iam_role_policy.function]
}

# What everything calls. `make rollback` points it to the version before, until the next `make deploy`.
resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "The version that works"
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version
}

# The name that Lambda logs to by default.
resource "aws_cloudwatch_log_group" "function" {
  #checkov:skip=CKV_AWS_338:a year of logs is the deployer's choice (log_retention_days); reports describe the runs
  name              = local.log_groups.function
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.this.arn
}

# S3, EventBridge and Scheduler invoke asynchronously: three attempts, then the event is kept with its error.
resource "aws_lambda_function_event_invoke_config" "this" {
  function_name                = aws_lambda_function.this.function_name
  qualifier                    = aws_lambda_alias.live.name
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 21600

  destination_config {
    on_failure {
      destination = aws_sqs_queue.dead_letters.arn
    }
  }
}

# Events that did not start a run. They name exports and objects, never a profile.
resource "aws_sqs_queue" "dead_letters" {
  name                      = "${var.name}-dead-letters"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}
