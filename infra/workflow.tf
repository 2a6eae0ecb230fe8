# The state machine around the function's steps; workflow.asl.json can be read on its own.

resource "aws_sfn_state_machine" "this" {
  #checkov:skip=CKV_AWS_285:every event is logged, but not its data: step JSON holds names and counts, and is in the execution's own history
  name     = var.name
  type     = "STANDARD"
  role_arn = aws_iam_role.workflow.arn
  # As the file stands, validators know its integrations.
  definition = replace(templatefile("${path.module}/workflow.asl.json", {
    function_arn = aws_lambda_alias.live.arn
    topic_arn    = aws_sns_topic.alerts.arn
    deployment   = var.name
  }), "arn:aws:states:::", "arn:${local.partition}:states:::")

  logging_configuration {
    level                  = "ALL"
    include_execution_data = false
    log_destination        = "${aws_cloudwatch_log_group.workflow.arn}:*"
  }

  tracing_configuration {
    enabled = true
  }

  depends_on = [aws_iam_role_policy.workflow]
}

resource "aws_cloudwatch_log_group" "workflow" {
  #checkov:skip=CKV_AWS_338:a year of logs is the deployer's choice (log_retention_days); executions keep their history for 90 days
  name              = local.log_groups.workflow
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.this.arn
}
