# Alarms for each enabled export.

resource "aws_cloudwatch_metric_alarm" "throttled" {
  for_each            = local.running
  alarm_name          = "${var.name}-${each.key}-throttled"
  alarm_description   = "Autopilot keeps answering 429: another client uses up the account's rate, or requests_per_second is too high."
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
  alarm_description   = "A run rejected more than ${var.reject_share_alarm * 100} % of its rows; rejects.csv next to its report lists them."
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

# Nothing failed, but nothing arrived either. FILL counts an hour without a run as 0; without it CloudWatch skips such
# hours and looks further back than intended.
resource "aws_cloudwatch_metric_alarm" "silence" {
  for_each            = { for name, export in local.running : name => export if var.silence_hours != null }
  alarm_name          = "${var.name}-${each.key}-silence"
  alarm_description   = "No successful run for ${var.silence_hours} hours. Check that the drop arrived and that the schedule is right."
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
