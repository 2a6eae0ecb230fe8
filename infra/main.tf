# What exports.json means for the deployment, and the names that several files share.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id
  # amazonaws.com but in China.
  dns_suffix = data.aws_partition.current.dns_suffix

  config = jsondecode(file(var.config_file))

  # Exports that may run: enabled, as their connection is.
  running = {
    for name, export in local.config.exports : name => export
    if try(export.enabled, true) && try(local.config.connections[export.connection].enabled, true)
  }
  scheduled = { for name, export in local.running : name => export if try(export.schedule, null) != null }
  # Those that are compared with their account by themselves.
  compared = { for name, export in local.running : name => export if try(export.reconcile_schedule, null) != null }

  # Roles, policies and dashboards belong to the whole account: with the region a name can be used once in each.
  global_name = "${var.name}-${local.region}"

  # Connection -> its secret's name: as in the program, a leading autopilot-export/ stands for the deployment's name.
  secret_of = { for name, connection in local.config.connections :
    name => replace(coalesce(try(connection.secret, null), "autopilot-export/${name}"), "/^autopilot-export[/]/", "${var.name}/")
  }
  webhook_secrets = [for export in local.config.exports : replace(coalesce(try(export.notify.webhook.secret, null), "autopilot-export/webhook"),
    "/^autopilot-export[/]/", "${var.name}/") if can(export.notify.webhook.kind)
  ]
  # The state key alone, for who plans and must not read the API key.
  state_key_secrets = [for secret in values(local.secret_of) : "${secret}/state-key"]
  secrets           = toset(concat(values(local.secret_of), local.webhook_secrets, local.state_key_secrets))
  # By default, one lane for each 10 requests a second, as in the program.
  lanes_of          = [for connection in local.config.connections : try(connection.lanes, floor(min(40, max(1, connection.requests_per_second / 10))), 1)]
  most_lanes        = max(1, local.lanes_of...)
  suppression_files = compact([for export in local.config.exports : try(export.suppression_file, null)])

  # Built from the name: function and workflow need each other's ARN, and references would form a cycle.
  workflow_arn   = "arn:${local.partition}:states:${local.region}:${local.account}:stateMachine:${var.name}"
  executions_arn = "arn:${local.partition}:states:${local.region}:${local.account}:execution:${var.name}"

  own_bucket = var.bucket == null
  bucket     = local.own_bucket ? aws_s3_bucket.store[0].id : data.aws_s3_bucket.existing[0].id
  bucket_arn = local.own_bucket ? aws_s3_bucket.store[0].arn : data.aws_s3_bucket.existing[0].arn
  data_keys  = compact([aws_kms_key.this.arn, var.bucket_kms_key_arn])

  # The metrics that the function prints in CloudWatch's embedded metric format, with the dimensions `deployment` and `export`. A test
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
