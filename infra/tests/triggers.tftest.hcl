# What starts a run, and what happens to an event that does not.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  config_file  = "tests/data/exports.json"
  function_zip = "tests/data/exports.json" # any file: nothing runs it here
}

run "drops_and_schedules_start_runs" {
  # The deployment's own bucket notifies of drops only.
  assert {
    condition     = aws_s3_bucket_notification.drops[0].lambda_function[0].filter_prefix == "segments/"
    error_message = "What the function writes itself must not start it."
  }

  assert {
    condition     = length(aws_cloudwatch_event_rule.drops) == 0
    error_message = "One trigger, not two."
  }

  # Enabled exports with a schedule run by it.
  assert {
    condition     = keys(aws_scheduler_schedule.export) == ["newsletter", "newsletter.reconcile"]
    error_message = "An export that is off, or whose connection is, is not scheduled."
  }

  assert {
    condition = alltrue([
      aws_scheduler_schedule.export["newsletter"].schedule_expression == "cron(0 6 * * ? *)",
      aws_scheduler_schedule.export["newsletter"].schedule_expression_timezone == "Europe/Prague",
      aws_scheduler_schedule.export["newsletter"].target[0].input == "{\"export\":\"newsletter\",\"scheduled_time\":\"<aws.scheduler.scheduled-time>\"}",
      aws_scheduler_schedule.export["newsletter"].target[0].dead_letter_config[0].arn == aws_sqs_queue.dead_letters.arn,
      aws_scheduler_schedule.export["newsletter"].target[0].retry_policy[0].maximum_retry_attempts == 5,
    ])
    error_message = "The schedule is the export's own, with retries and a dead-letter queue."
  }

  # A comparison with the account has a schedule of its own, and the export's time zone.
  assert {
    condition = alltrue([
      aws_scheduler_schedule.export["newsletter.reconcile"].schedule_expression == "cron(0 22 ? * SUN *)",
      aws_scheduler_schedule.export["newsletter.reconcile"].schedule_expression_timezone == "Europe/Prague",
      aws_scheduler_schedule.export["newsletter.reconcile"].target[0].input == "{\"reconcile\":\"newsletter\",\"scheduled_time\":\"<aws.scheduler.scheduled-time>\"}",
      aws_scheduler_schedule.export["newsletter.reconcile"].target[0].dead_letter_config[0].arn == aws_sqs_queue.dead_letters.arn,
    ])
    error_message = "reconcile_schedule starts a comparison of the export, in its time zone."
  }

  # Events that fail go to the dead-letter queue.
  assert {
    condition     = aws_lambda_function_event_invoke_config.this.destination_config[0].on_failure[0].destination == aws_sqs_queue.dead_letters.arn
    error_message = "The on-failure destination is the dead-letter queue."
  }
}

run "an_existing_bucket_keeps_its_settings" {
  variables {
    bucket = "their-bucket"
  }

  assert {
    condition = alltrue([for made in [
      aws_s3_bucket.store, aws_s3_bucket_notification.drops, aws_s3_bucket_policy.store, aws_s3_bucket_versioning.store,
      aws_s3_bucket_lifecycle_configuration.store, aws_s3_bucket_public_access_block.store,
      aws_s3_bucket_server_side_encryption_configuration.store, aws_s3_bucket_ownership_controls.store,
    ] : length(made) == 0])
    error_message = "A setting of the existing bucket is changed."
  }

  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.drops[0].event_pattern) == {
      source      = ["aws.s3"]
      detail-type = ["Object Created"]
      detail      = { bucket = { name = ["their-bucket"] }, object = { key = [{ prefix = "segments/" }] } }
    }
    error_message = "EventBridge reports drops in the existing bucket."
  }

  assert {
    condition     = aws_cloudwatch_event_target.drops[0].dead_letter_config[0].arn == aws_sqs_queue.dead_letters.arn
    error_message = "An event that cannot be delivered goes to the dead-letter queue."
  }

  assert {
    condition     = aws_s3_object.config.bucket == "their-bucket"
    error_message = "The configuration is where the function looks for it."
  }
}

run "topics_and_queues_of_others_start_runs" {
  variables {
    bucket           = "their-bucket"
    event_topic_arns = ["arn:aws:sns:eu-central-1:123456789012:theirs"]
    event_queue_arns = ["arn:aws:sqs:eu-central-1:123456789012:theirs"]
  }

  assert {
    condition = alltrue([
      toset(values(aws_sns_topic_subscription.drops)[*].topic_arn) == var.event_topic_arns,
      toset(values(aws_lambda_permission.topic)[*].source_arn) == var.event_topic_arns,
      alltrue([for one in aws_lambda_permission.topic : one.principal == "sns.amazonaws.com" && one.qualifier == aws_lambda_alias.live.name]),
      alltrue([for one in aws_sns_topic_subscription.drops : one.protocol == "lambda" && one.endpoint == aws_lambda_alias.live.arn]),
    ])
    error_message = "A topic does not reach the function."
  }

  assert {
    condition = alltrue([
      toset(values(aws_lambda_event_source_mapping.queue)[*].event_source_arn) == var.event_queue_arns,
      alltrue([for one in aws_lambda_event_source_mapping.queue : one.function_name == aws_lambda_alias.live.arn]),
      jsonencode([for one in data.aws_iam_policy_document.function.statement : [sort(one.actions), tolist(one.resources)] if one.sid == "Queues"]) ==
      jsonencode([[["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"], tolist(var.event_queue_arns)]]),
    ])
    error_message = "The function may not read a queue, or does not."
  }
}

run "a_prefix_that_nobody_watches_is_refused" {
  command = plan

  variables {
    config_file = "tests/data/unwatched-prefix.json"
  }

  expect_failures = [var.config_file]
}

run "a_missing_configuration_is_refused" {
  command = plan

  variables {
    config_file = "tests/data/none.json"
  }

  expect_failures = [var.config_file]
}
