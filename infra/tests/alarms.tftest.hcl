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
      values(aws_cloudwatch_metric_alarm.failed_run), values(aws_cloudwatch_metric_alarm.silence), values(aws_cloudwatch_metric_alarm.rejects),
      values(aws_cloudwatch_metric_alarm.throttled), [aws_cloudwatch_metric_alarm.dead_letters, aws_cloudwatch_metric_alarm.function_throttled],
    ) : contains(alarm.alarm_actions, aws_sns_topic.alerts.arn)])
    error_message = "An alarm notifies nobody."
  }

  assert {
    condition     = keys(aws_cloudwatch_metric_alarm.failed_run) == ["ExecutionsAborted", "ExecutionsFailed", "ExecutionsTimedOut"]
    error_message = "A way for a run to fail has no alarm."
  }

  # The dashboard shows every metric of the program.
  assert {
    condition     = alltrue([for name in local.metric_names : strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "\"${name}\"")])
    error_message = "A metric is missing from the dashboard."
  }
}

run "each_running_export_has_its_alarms" {
  variables {
    silence_hours      = 30
    reject_share_alarm = 0.1
  }

  assert {
    condition = alltrue([for alarms in [
      aws_cloudwatch_metric_alarm.silence, aws_cloudwatch_metric_alarm.rejects, aws_cloudwatch_metric_alarm.throttled,
    ] : keys(alarms) == ["newsletter", "vip"]])
    error_message = "Alarms belong to enabled exports, and to each of them."
  }

  assert {
    condition = alltrue([for alarm in aws_cloudwatch_metric_alarm.silence :
    alarm.evaluation_periods == 30 && alarm.datapoints_to_alarm == 30 && alarm.treat_missing_data == "breaching"])
    error_message = "Silence is 30 hours without a successful run; missing data counts as silence."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.rejects : alarm.threshold == 0.1 && alarm.metric_name == "RejectShare"])
    error_message = "The share of rejects is what was asked for."
  }
}

run "silence_can_be_turned_off" {
  command = plan

  variables {
    silence_hours = null
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.silence) == 0
    error_message = "The silence alarm exists although it is off."
  }
}
