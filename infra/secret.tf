# Empty secrets: of a connection one for both its keys and one for the state key alone, and one of each webhook. `autopilot-export
# connect` stores a connection's values, a person a webhook's address; Terraform sees neither.

resource "aws_secretsmanager_secret" "connection" {
  #checkov:skip=CKV2_AWS_57:Autopilot has no API that creates a key; a person does it in the app, and `connect` stores it
  for_each = local.secrets
  name     = each.key
  description = "${var.name}: ${
    contains(local.webhook_secrets, each.key) ? "address of a webhook" : contains(local.state_key_secrets, each.key) ? "state key" : "Autopilot API key and state key"
  }"
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = var.force_destroy ? 0 : 7
}
