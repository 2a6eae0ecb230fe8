# Who is notified of what.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  config_file  = "tests/data/exports.json"
  function_zip = "tests/data/exports.json" # any file: nothing runs it here
}

run "every_alarm_notifies_the_topic" {
  # Every alarm notifies the topic.
  assert {
    condition = alltrue([for alarm in concat(
      values(aws_cloudwatch_metric_alarm.silence),
      values(aws_cloudwatch_metric_alarm.throttled), [aws_cloudwatch_metric_alarm.aborted_run, aws_cloudwatch_metric_alarm.dead_letters, aws_cloudwatch_metric_alarm.function_throttled],
    ) : contains(alarm.alarm_actions, aws_sns_topic.alerts.arn)])
    error_message = "An alarm notifies nobody."
  }

  # What happened once is not "OK" five minutes later.
  assert {
    condition = alltrue([for alarm in concat(
      values(aws_cloudwatch_metric_alarm.throttled), [aws_cloudwatch_metric_alarm.aborted_run],
    ) : length(coalesce(alarm.ok_actions, [])) == 0])
    error_message = "An alarm without a lasting state sends no recovery."
  }

  # Standard executions have a year, so that metric never leaves 0.
  assert {
    condition     = aws_cloudwatch_metric_alarm.aborted_run.metric_name == "ExecutionsAborted"
    error_message = "The workflow tells of failed runs itself; what it cannot tell of is an aborted execution."
  }

  # The dashboard shows every metric of the program.
  assert {
    condition     = alltrue([for name in local.metric_names : strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "\"${name}\"")])
    error_message = "A metric is missing from the dashboard."
  }
}

run "each_running_export_has_its_alarms" {
  assert {
    condition     = keys(aws_cloudwatch_metric_alarm.throttled) == ["newsletter", "vip"]
    error_message = "Alarms belong to enabled exports, and to each of them."
  }
}

run "silence_is_by_each_exports_schedule" {
  variables {
    config_file = "tests/data/schedules.json"
  }

  assert {
    condition = { for name, alarm in aws_cloudwatch_metric_alarm.silence : name => alarm.evaluation_periods } == {
      daily = 26, often = 3, halves = 14, workdays = 74
    }
    error_message = "Silence is the schedule's interval and two hours; a weekly, monthly or unscheduled export has no such alarm."
  }

  assert {
    condition = alltrue([for alarm in aws_cloudwatch_metric_alarm.silence :
    alarm.datapoints_to_alarm == alarm.evaluation_periods && alarm.treat_missing_data == "breaching"])
    error_message = "Silence is every hour in which no run ended; missing data counts as silence."
  }

  # A run that failed notifies people itself.
  assert {
    condition = alltrue(flatten([for alarm in aws_cloudwatch_metric_alarm.silence : [for query in alarm.metric_query :
    [for metric in query.metric : [metric.metric_name, metric.stat] == ["RunSeconds", "SampleCount"]]]]))
    error_message = "A run that failed counts as silence."
  }

  # No alarm before the first run was due: that hour, reckoned back to a date.
  assert {
    condition = alltrue([for name, alarm in aws_cloudwatch_metric_alarm.silence : alltrue([
      contains(alarm.metric_query[*].expression, "IF(EPOCH(filled) < ${local.first_due[name]}, 1, filled)"),
      formatdate("YYYY-MM-DD hh", timeadd("1970-01-01T00:00:00Z", "${local.first_due[name]}s")) ==
      formatdate("YYYY-MM-DD hh", timeadd(terraform_data.watched_since[name].output, "${alarm.evaluation_periods}h")),
    ])])
    error_message = "An export is in alarm before it was due."
  }
}

run "silence_may_be_set" {
  variables {
    silence_hours = { newsletter = 0, vip = 168 }
  }

  assert {
    condition     = { for name, alarm in aws_cloudwatch_metric_alarm.silence : name => alarm.evaluation_periods } == { vip = 168 }
    error_message = "A variable counts before the schedule."
  }
}

run "silence_of_an_unknown_export_is_refused" {
  command = plan

  variables {
    silence_hours = { none = 3 }
  }

  expect_failures = [var.silence_hours]
}

run "all_disabled_leaves_no_alarm_and_no_empty_graph" {
  variables {
    config_file = "tests/data/disabled.json"
  }

  assert {
    condition     = alltrue([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : length(widget.properties.metrics) > 0])
    error_message = "A graph has nothing to show."
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.silence) + length(aws_cloudwatch_metric_alarm.throttled) == 0
    error_message = "An alarm that can never fire."
  }
}

run "people_are_notified_by_email" {
  variables {
    alert_emails = ["somebody@example.com", "else@example.com"]
  }

  assert {
    condition = toset([for one in aws_sns_topic_subscription.email : one.endpoint]) == toset(["somebody@example.com", "else@example.com"]) && alltrue([
      for one in aws_sns_topic_subscription.email : one.protocol == "email" && one.topic_arn == aws_sns_topic.alerts.arn
    ])
    error_message = "Somebody who is to be notified is not subscribed."
  }
}

run "an_address_that_is_none_is_refused" {
  command = plan

  variables {
    alert_emails = ["somebody"]
  }

  expect_failures = [var.alert_emails]
}
