# Two deployments in one account, and one name in two regions, do not touch.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  config_file  = "tests/data/exports.json"
  function_zip = "tests/data/exports.json" # any file: nothing runs it here
}

run "another_name_shares_nothing" {
  variables {
    name          = "trial"
    silence_hours = { vip = 48 }
  }

  assert {
    condition     = alltrue([for secret in aws_secretsmanager_secret.connection : startswith(secret.name, "trial/")])
    error_message = "A secret is another deployment's."
  }

  assert {
    condition     = strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "\"deployment\",\"trial\"")
    error_message = "The dashboard shows another deployment's metrics."
  }

  assert {
    condition = alltrue([for alarm in aws_cloudwatch_metric_alarm.throttled :
    alarm.dimensions.deployment == "trial" && startswith(alarm.alarm_name, "trial-")])
    error_message = "An alarm is on another deployment's metrics."
  }

  assert {
    condition = alltrue(flatten([for alarm in aws_cloudwatch_metric_alarm.silence : [for query in alarm.metric_query :
    [for metric in query.metric : metric.dimensions.deployment == "trial"]]]))
    error_message = "An alarm is on another deployment's metrics."
  }
}

run "the_same_name_in_another_region_shares_nothing" {
  override_data {
    target = data.aws_region.current
    values = { id = "us-east-1" }
  }

  # What is the whole account's, not a region's.
  assert {
    condition = alltrue([for name in concat(
      [aws_iam_role.function.name, aws_iam_role.workflow.name, aws_iam_role.scheduler.name, aws_iam_policy.operator.name, aws_iam_policy.viewer.name, aws_iam_policy.administrator.name, aws_iam_policy.rejects.name],
      values(aws_iam_policy.contributor)[*].name, [aws_cloudwatch_dashboard.this.dashboard_name, aws_s3_bucket.store[0].bucket],
    ) : strcontains(name, "us-east-1")])
    error_message = "A name is taken by the same deployment in another region."
  }
}

# GovCloud and China name their resources and services otherwise.
run "another_partition_has_its_own_names" {
  override_data {
    target = data.aws_partition.current
    values = { partition = "aws-cn", dns_suffix = "amazonaws.com.cn" }
  }

  variables {
    permissions_boundary = "arn:aws-cn:iam::123456789012:policy/bound"
  }

  assert {
    condition     = startswith(local.workflow_arn, "arn:aws-cn:") && !strcontains(aws_sfn_state_machine.this.definition, "arn:aws:states:::")
    error_message = "An ARN is of another partition."
  }

  assert {
    condition     = alltrue([for condition in data.aws_iam_policy_document.key_through_s3["read"].statement[0].condition : contains(condition.values, "s3.eu-central-1.amazonaws.com.cn")])
    error_message = "A service is named as in another partition."
  }

  assert {
    condition = alltrue([for role in [aws_iam_role.function, aws_iam_role.workflow, aws_iam_role.scheduler] :
    role.permissions_boundary == "arn:aws-cn:iam::123456789012:policy/bound"])
    error_message = "A role without the account's boundary."
  }
}
