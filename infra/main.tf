# What exports.json means for the deployment, and the names that several files share.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id

  config = jsondecode(file(var.config_file))

  # Exports that may run: enabled, as their connection is.
  running = {
    for name, export in local.config.exports : name => export
    if try(export.enabled, true) && try(local.config.connections[export.connection].enabled, true)
  }
  scheduled = { for name, export in local.running : name => export if try(export.schedule, null) != null }

  # Connection -> its secret's name; the default is the program's.
  secret_of         = { for name, connection in local.config.connections : name => coalesce(try(connection.secret, null), "autopilot-export/${name}") }
  secrets           = toset(values(local.secret_of))
  most_lanes        = max(1, [for connection in local.config.connections : try(connection.lanes, try(connection.api, "") == "ortto" ? 1 : 4)]...)
  suppression_files = compact([for export in local.config.exports : try(export.suppression_file, null)])

  # Built from the name: function and workflow need each other's ARN, and references would form a cycle.
  workflow_arn   = "arn:${local.partition}:states:${local.region}:${local.account}:stateMachine:${var.name}"
  executions_arn = "arn:${local.partition}:states:${local.region}:${local.account}:execution:${var.name}"

  own_bucket = var.bucket == null
  bucket     = local.own_bucket ? aws_s3_bucket.store[0].id : data.aws_s3_bucket.existing[0].id
  bucket_arn = local.own_bucket ? aws_s3_bucket.store[0].arn : data.aws_s3_bucket.existing[0].arn
  data_keys  = compact([aws_kms_key.this.arn, var.bucket_kms_key_arn])

  # The metrics that the function prints in CloudWatch's embedded metric format, with the dimension `export`. A test
  # compares this list with the program's.
  metric_namespace = "AutopilotExport"
  metric_names = [
    "RunsSucceeded",
    "RunsFailed",
    "ProfilesDelivered",
    "ProfilesRejected",
    "ProfilesUnchanged",
    "ProfilesPending",
    "Requests",
    "Throttles",
    "RunSeconds",
    "RejectShare",
  ]
  # Alarms and dashboard name metrics through this map, so that a typo fails the plan.
  metric = { for name in local.metric_names : name => name }
}
