# What starts runs: drops and schedules. All invoke the function, which starts one run for each.

# A bucket that this deployment creates notifies the function directly.
resource "aws_s3_bucket_notification" "drops" {
  count  = local.own_bucket ? 1 : 0
  bucket = aws_s3_bucket.store[0].id

  lambda_function {
    id                  = "drops"
    lambda_function_arn = aws_lambda_alias.live.arn
    events              = ["s3:ObjectCreated:*"]
    filter_prefix       = "segments/"
  }

  depends_on = [aws_lambda_permission.drops]
}

resource "aws_lambda_permission" "drops" {
  count          = local.own_bucket ? 1 : 0
  statement_id   = "drops"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.this.function_name
  qualifier      = aws_lambda_alias.live.name
  principal      = "s3.amazonaws.com"
  source_arn     = aws_s3_bucket.store[0].arn
  source_account = local.account

  # The notification goes over before the permission of another qualifier ends.
  lifecycle {
    create_before_destroy = true
  }
}

# An existing bucket: it has a single notification configuration, so ours would overwrite its owner's. EventBridge allows any
# number of listeners.
resource "aws_cloudwatch_event_rule" "drops" {
  count       = local.own_bucket ? 0 : 1
  name        = "${var.name}-drops"
  description = "Objects created under segments/ of ${var.bucket}"
  event_pattern = jsonencode({
    source      = ["aws.s3"]
    detail-type = ["Object Created"]
    detail      = { bucket = { name = [var.bucket] }, object = { key = [{ prefix = "segments/" }] } }
  })
}

resource "aws_cloudwatch_event_target" "drops" {
  count = local.own_bucket ? 0 : 1
  rule  = aws_cloudwatch_event_rule.drops[0].name
  arn   = aws_lambda_alias.live.arn

  retry_policy {
    maximum_retry_attempts       = 10
    maximum_event_age_in_seconds = 21600
  }

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters.arn
  }
}

resource "aws_lambda_permission" "rule" {
  count         = local.own_bucket ? 0 : 1
  statement_id  = "rule"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this.function_name
  qualifier     = aws_lambda_alias.live.name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.drops[0].arn

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_scheduler_schedule_group" "this" {
  name = var.name
}

locals {
  # Name -> what a schedule says, what it starts, and of which export. No export's name has a dot.
  schedules = merge(
    { for name, export in local.scheduled : name => { export = name, key = "export", expression = export.schedule, does = "Runs" } },
    { for name, export in local.compared : "${name}.reconcile" => {
      export = name, key = "reconcile", expression = export.reconcile_schedule, does = "Compares with its account"
    } },
  )
}

resource "aws_scheduler_schedule" "export" {
  #checkov:skip=CKV_AWS_297:a schedule holds the name of an export and nothing else; AWS's own key is enough
  for_each                     = local.schedules
  name                         = each.key
  group_name                   = aws_scheduler_schedule_group.this.name
  description                  = "${each.value.does} the export ${each.value.export}"
  schedule_expression          = each.value.expression
  schedule_expression_timezone = try(local.running[each.value.export].time_zone, "UTC")

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_alias.live.arn
    role_arn = aws_iam_role.scheduler.arn
    # Scheduler puts in the time that the tick was due, so that one that is delivered twice is one run.
    input = "{\"${each.value.key}\":\"${each.value.export}\",\"scheduled_time\":\"<aws.scheduler.scheduled-time>\"}"

    retry_policy {
      maximum_retry_attempts       = 5
      maximum_event_age_in_seconds = 3600
    }

    dead_letter_config {
      arn = aws_sqs_queue.dead_letters.arn
    }
  }

  depends_on = [aws_iam_role_policy.scheduler]
}
