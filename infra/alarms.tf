# Alarms that need a person. Each notifies the topic when it starts and when it is over.

locals {
  tell = [aws_sns_topic.alerts.arn]
}

# A run that failed, ran out of time or was stopped by hand.
resource "aws_cloudwatch_metric_alarm" "failed_run" {
  for_each            = toset(["ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"])
  alarm_name          = "${var.name}-run-${each.key}"
  alarm_description   = "A run failed, timed out or was stopped. `autopilot-export runs` names it, its report says why."
  namespace           = "AWS/States"
  metric_name         = each.key
  dimensions          = { StateMachineArn = aws_sfn_state_machine.this.arn }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.tell
  ok_actions          = local.tell
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  alarm_name          = "${var.name}-dead-letters"
  alarm_description   = "A drop or a schedule did not start a run. The messages in ${aws_sqs_queue.dead_letters.name} say which and why."
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
