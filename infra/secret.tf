# A shell per secret that a connection names. `autopilot-export connect` puts the value in; Terraform never sees it.

resource "aws_secretsmanager_secret" "connection" {
  #checkov:skip=CKV2_AWS_57:Autopilot has no call that makes a new key; a person does, and `connect` stores it
  for_each                = local.secrets
  name                    = each.key
  description             = "${var.name}: key to an Autopilot account and the key of its state"
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = var.force_destroy ? 0 : 7
}
