# One page: how runs end, what happens to profiles, how Autopilot and the function behave.

locals {
  # Graphs of the program's metrics, with a line per metric and export.
  graphs = {
    "Runs"                   = { metrics = ["RunsSucceeded", "RunsFailed"], stat = "Sum" }
    "Profiles"               = { metrics = ["ProfilesDelivered", "ProfilesUnchanged", "ProfilesRejected", "ProfilesPending"], stat = "Sum" }
    "Requests to Autopilot"  = { metrics = ["Requests", "Throttles"], stat = "Sum" }
    "Seconds of a run"       = { metrics = ["RunSeconds"], stat = "Maximum" }
    "Share of rows rejected" = { metrics = ["RejectShare"], stat = "Maximum" }
  }

  program_widgets = [for title, graph in local.graphs : {
    title = title
    stat  = graph.stat
    metrics = flatten([for metric in graph.metrics : [for export in keys(local.running) :
      { line = [local.metric_namespace, local.metric[metric], "deployment", var.name, "export", export, { label = "${export} ${metric}" }] }
    ]])[*].line
  }]

  aws_widgets = [
    {
      title = "Executions"
      stat  = "Sum"
      metrics = [for metric in ["ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsAborted"] :
        ["AWS/States", metric, "StateMachineArn", aws_sfn_state_machine.this.arn]
      ]
    },
    {
      title   = "Function"
      stat    = "Sum"
      metrics = [for metric in ["Invocations", "Errors", "Throttles"] : ["AWS/Lambda", metric, "FunctionName", var.name]]
    },
    {
      title   = "Dead letters"
      stat    = "Maximum"
      metrics = [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", aws_sqs_queue.dead_letters.name]]
    },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = local.global_name
  dashboard_body = jsonencode({
    widgets = [for place, widget in concat([for widget in local.program_widgets : widget if length(widget.metrics) > 0], local.aws_widgets) : {
      type       = "metric"
      x          = place % 2 * 12
      y          = floor(place / 2) * 6
      width      = 12
      height     = 6
      properties = merge(widget, { region = local.region, view = "timeSeries", period = 3600 })
    }]
  })
}
