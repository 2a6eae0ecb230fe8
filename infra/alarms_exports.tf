# The alarms that each enabled export has of its own.

resource "aws_cloudwatch_metric_alarm" "throttled" {
  for_each            = local.running
  alarm_name          = "${var.name}-${each.key}-throttled"
  alarm_description   = "Autopilot answered 429 again and again: somebody else uses up the account's rate, or requests_per_second is too high."
  namespace           = local.metric_namespace
  metric_name         = local.metric.Throttles
  dimensions          = { export = each.key }
  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 10
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.tell
  ok_actions          = local.tell
}

resource "aws_cloudwatch_metric_alarm" "rejects" {
  for_each            = local.running
  alarm_name          = "${var.name}-${each.key}-rejects"
  alarm_description   = "A run rejected more than ${var.reject_share_alarm * 100} % of its rows; rejects.csv beside its report names them."
  namespace           = local.metric_namespace
  metric_name         = local.metric.RejectShare
  dimensions          = { export = each.key }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.reject_share_alarm
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.tell
  ok_actions          = local.tell
}

# Nothing failed, but nothing came either. FILL makes an hour without a run count as 0; without it CloudWatch skips such
# hours, and would look further back than it was told.
resource "aws_cloudwatch_metric_alarm" "silence" {
  for_each            = { for name, export in local.running : name => export if var.silence_hours != null }
  alarm_name          = "${var.name}-${each.key}-silence"
  alarm_description   = "No successful run for ${var.silence_hours} hours: did the drop arrive, is the schedule right?"
  evaluation_periods  = var.silence_hours
  datapoints_to_alarm = var.silence_hours
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = local.tell
  ok_actions          = local.tell

  metric_query {
    id          = "filled"
    expression  = "FILL(runs, 0)"
    label       = "successful runs"
    return_data = true
  }

  metric_query {
    id = "runs"

    metric {
      namespace   = local.metric_namespace
      metric_name = local.metric.RunsSucceeded
      dimensions  = { export = each.key }
      stat        = "Sum"
      period      = 3600
    }
  }
}
