# Events of an existing bucket that others fan out: the function as a topic's subscriber, or as a queue's consumer.

resource "aws_sns_topic_subscription" "drops" {
  for_each  = var.event_topic_arns
  topic_arn = each.key
  protocol  = "lambda"
  endpoint  = aws_lambda_alias.live.arn

  depends_on = [aws_lambda_permission.topic]
}

resource "aws_lambda_permission" "topic" {
  for_each      = var.event_topic_arns
  statement_id  = "topic-${md5(each.key)}"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this.function_name
  qualifier     = aws_lambda_alias.live.name
  principal     = "sns.amazonaws.com"
  source_arn    = each.key

  lifecycle {
    create_before_destroy = true
  }
}

# One message a call: one that fails holds up no other.
resource "aws_lambda_event_source_mapping" "queue" {
  for_each         = var.event_queue_arns
  event_source_arn = each.key
  function_name    = aws_lambda_alias.live.arn
  batch_size       = 1

  depends_on = [aws_iam_role_policy.function]
}
