# Alarms for each enabled export.

resource "aws_cloudwatch_metric_alarm" "throttled" {
  for_each            = local.running
  alarm_name          = "${var.name}-${each.key}-throttled"
  alarm_description   = "The destination keeps answering 429: another client uses up the account's rate, or requests_per_second is too high."
  namespace           = local.metric_namespace
  metric_name         = local.metric.Throttles
  dimensions          = { deployment = var.name, export = each.key }
  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 10
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.tell
}
