output "bucket" {
  description = "The bucket: drops go under segments/, reports are under runs/. The command line takes it as `--store s3://...`."
  value       = local.bucket
}

output "function_name" {
  description = "The function, which is also the deployment's name."
  value       = aws_lambda_function.this.function_name
}

output "live" {
  description = "The function as everything calls it: by the alias that `make rollback` moves."
  value       = aws_lambda_alias.live.arn
}

output "workflow_arn" {
  description = "The state machine; its executions are the runs."
  value       = aws_sfn_state_machine.this.arn
}

output "secrets" {
  description = "Connection -> the secret that `autopilot-export connect` fills."
  # While a secret is taken over, those after it are not in the state yet.
  value = { for name, connection in local.config.connections : name => try(aws_secretsmanager_secret.connection[local.secret_of[name]].arn, null) }
}

output "topic_arn" {
  description = "The topic that alarms and failed runs notify."
  value       = aws_sns_topic.alerts.arn
}

output "dead_letters_url" {
  description = "The queue of events that did not start a run."
  value       = aws_sqs_queue.dead_letters.url
}

output "schedules" {
  description = "Export -> its schedule; EXPORT.reconcile -> when it is compared with its account."
  value       = { for name, one in aws_scheduler_schedule.export : name => "${one.schedule_expression} ${one.schedule_expression_timezone}" }
}

output "people" {
  description = "Policies to attach to people's roles or groups; contributor policies are per export."
  value = {
    administrator = aws_iam_policy.administrator.arn
    operator      = aws_iam_policy.operator.arn
    rejects       = aws_iam_policy.rejects.arn
    viewer        = aws_iam_policy.viewer.arn
    contributor   = { for export, policy in aws_iam_policy.contributor : export => policy.arn }
  }
}

output "environment" {
  description = "Shell commands that set bucket, workflow and deployment for the command line."
  value       = "export AUTOPILOT_EXPORT_BUCKET=${local.bucket} AUTOPILOT_EXPORT_WORKFLOW_ARN=${aws_sfn_state_machine.this.arn} AUTOPILOT_EXPORT_DEPLOYMENT=${var.name}"
}
