# Alarms that need a person. One that stands for a lasting state notifies the topic when it is over, too.

locals {
  tell = [aws_sns_topic.alerts.arn]
}

# The workflow reports every run that ends badly, but not one that is aborted in Step Functions. An abort has no lasting state,
# so there is no recovery message.
resource "aws_cloudwatch_metric_alarm" "aborted_run" {
  alarm_name          = "${var.name}-run-aborted"
  alarm_description   = "An execution was aborted by hand, which leaves a run without an end: the next run of its export finishes it. `autopilot-export stop` ends a run in order."
  namespace           = "AWS/States"
  metric_name         = "ExecutionsAborted"
  dimensions          = { StateMachineArn = aws_sfn_state_machine.this.arn }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.tell
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  alarm_name          = "${var.name}-dead-letters"
  alarm_description   = "A drop or a schedule did not start a run. The messages in ${aws_sqs_queue.dead_letters.name} say which and why; once the cause is gone, `make redrive` sends them again."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dead_letters.name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.tell
  ok_actions          = local.tell
}

resource "aws_cloudwatch_metric_alarm" "function_throttled" {
  alarm_name          = "${var.name}-function-throttled"
  alarm_description   = "AWS throttles the function: raise reserved_concurrency, or the account's concurrency limit."
  namespace           = "AWS/Lambda"
  metric_name         = "Throttles"
  dimensions          = { FunctionName = aws_lambda_function.this.function_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.tell
  ok_actions          = local.tell
}
