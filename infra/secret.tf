# An empty secret for each name that a connection or a webhook uses. `autopilot-export connect` stores a connection's value, a person a
# webhook's address; Terraform sees neither.

resource "aws_secretsmanager_secret" "connection" {
  #checkov:skip=CKV2_AWS_57:Autopilot has no API that creates a key; a person does it in the app, and `connect` stores it
  for_each                = local.secrets
  name                    = each.key
  description             = contains(local.webhook_secrets, each.key) ? "${var.name}: address of a webhook" : "${var.name}: Autopilot API key and state key"
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = var.force_destroy ? 0 : 7
}
