# Nothing failed, but nothing arrived either: no run of an export ended in the time in which its schedule has one. A run that failed tells
# of itself.

locals {
  # Hours between two runs by the schedule: rate(...), or a cron(...) for every day or the days from Monday to Friday. Of another
  # cron, the longest gap may exceed what CloudWatch looks back, a week; the runs themselves tell if they fail.
  unit_hours = { minute = 1 / 60, minutes = 1 / 60, hour = 1, hours = 1, day = 24, days = 24 }
  days_hours = { "? *" = 24, "* ?" = 24, "? MON-FRI" = 72, "? 2-6" = 72 }
  schedule_hours = { for name, export in local.scheduled : name => try(
    tonumber(regex("^rate\\((\\d+) ", export.schedule)[0]) * local.unit_hours[regex(" (\\w+)\\)$", export.schedule)[0]],
    local.days_hours[join(" ", regex("^cron\\(\\S+ \\S+ (\\S+) \\* (\\S+) \\S+\\)$", export.schedule))],
    null,
  ) }

  # Two hours more, for the run itself. What `silence_hours` says counts first.
  silence_hours = { for name, export in local.running : name => try(
    var.silence_hours[name],
    ceil(local.schedule_hours[name]) + 2,
    null,
  ) }
  watched = { for name, hours in local.silence_hours : name => hours if try(hours > 0 && hours <= 168, false) }

  # Seconds since 1970 of the hour in which the watch over an export began. Days by the usual formula, with years that begin in March.
  watched_since = { for name, since in terraform_data.watched_since : name => {
    y = tonumber(formatdate("YYYY", since.output)) - (tonumber(formatdate("M", since.output)) <= 2 ? 1 : 0)
    m = (tonumber(formatdate("M", since.output)) + 9) % 12
    d = tonumber(formatdate("D", since.output))
    h = tonumber(formatdate("h", since.output))
  } }
  first_due = { for name, at in local.watched_since : name =>
    ((365 * at.y + floor(at.y / 4) - floor(at.y / 100) + floor(at.y / 400) + floor((153 * at.m + 2) / 5) + at.d - 719469) * 24 + at.h + local.watched[name]) * 3600
  }
}

# Until an export was due once, its silence says nothing.
resource "terraform_data" "watched_since" {
  for_each = local.watched
  input    = plantimestamp()

  lifecycle {
    ignore_changes = [input]
  }
}

# FILL counts an hour without a run as 0; without it CloudWatch skips such hours and looks further back than intended.
resource "aws_cloudwatch_metric_alarm" "silence" {
  for_each            = local.watched
  alarm_name          = "${var.name}-${each.key}-silence"
  alarm_description   = "No run has ended for ${each.value} hours. Check that the drop arrived and that the schedule is right."
  evaluation_periods  = each.value
  datapoints_to_alarm = each.value
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = local.tell
  ok_actions          = local.tell

  metric_query {
    id          = "due"
    expression  = "IF(EPOCH(filled) < ${local.first_due[each.key]}, 1, filled)"
    label       = "runs that ended, once due"
    return_data = true
  }

  metric_query {
    id         = "filled"
    expression = "FILL(runs, 0)"
    label      = "runs that ended"
  }

  metric_query {
    id = "runs"

    metric {
      namespace   = local.metric_namespace
      metric_name = local.metric.RunSeconds
      dimensions  = { deployment = var.name, export = each.key }
      stat        = "SampleCount" # every run has one, however it ends
      period      = 3600
    }
  }
}
