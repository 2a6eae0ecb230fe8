# The definition that is deployed: concurrency, retries, how it ends.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  config_file  = "tests/data/exports.json"
  function_zip = "tests/data/exports.json" # any file: nothing runs it here
}

run "the_definition_as_deployed" {
  # The number of lanes limits concurrency, and a lane fails alone.
  assert {
    condition     = jsondecode(aws_sfn_state_machine.this.definition).States.Lanes.MaxConcurrencyPath == "$.last.answer.lanes.count"
    error_message = "Without MaxConcurrency a Distributed Map starts 10,000 children."
  }

  assert {
    condition     = jsondecode(aws_sfn_state_machine.this.definition).States.Lanes.ToleratedFailurePercentage == 100
    error_message = "One lane's end must not abort the others."
  }

  assert {
    condition     = !can(jsondecode(aws_sfn_state_machine.this.definition).States.Lanes.Retry)
    error_message = "A Retry on the Map would run every lane again."
  }

  assert {
    condition     = jsondecode(aws_sfn_state_machine.this.definition).States.Lanes.ItemProcessor.ProcessorConfig.ExecutionType == "STANDARD"
    error_message = "An Express child ends after 5 minutes."
  }

  # Concurrency is the account's unless it is reserved.
  assert {
    condition     = aws_lambda_function.this.reserved_concurrent_executions == -1
    error_message = "null reserves nothing."
  }

  # Every way out goes through finish.
  assert {
    condition = alltrue([for state in ["Prepare", "Reconcile", "Open", "Lanes"] :
    jsondecode(aws_sfn_state_machine.this.definition).States[state].Catch[0].Next == "FinishAfterError"])
    error_message = "The error that ends a step is passed to finish."
  }

  assert {
    condition = alltrue([for state in ["Finish", "FinishAfterError"] :
    jsondecode(aws_sfn_state_machine.this.definition).States[state].Catch[0].Next == "FinishFailed"])
    error_message = "A finish that fails notifies people."
  }

  assert {
    condition = alltrue([
      jsondecode(aws_sfn_state_machine.this.definition).States.Finish.Next == "Finished",
      jsondecode(aws_sfn_state_machine.this.definition).States.Finished.Choices[0].And[1] == { Variable = "$.last.answer.status", StringEquals = "again" },
      jsondecode(aws_sfn_state_machine.this.definition).States.Finished.Choices[0].Next == "Lanes",
      jsondecode(aws_sfn_state_machine.this.definition).States.Finished.Default == "Announce",
    ])
    error_message = "A finish that has joiners sent again calls the lanes once more."
  }

  assert {
    condition = alltrue([
      jsondecode(aws_sfn_state_machine.this.definition).States.FinishFailed.Parameters.Payload.step == "give_up",
      jsondecode(aws_sfn_state_machine.this.definition).States.FinishFailed.Next == "Announce",
      jsondecode(aws_sfn_state_machine.this.definition).States.FinishFailed.Catch[0].Next == "GivenUp",
      jsondecode(aws_sfn_state_machine.this.definition).States.GivenUp.Next == "Announce",
    ])
    error_message = "A finish that fails notifies people, even where the function cannot."
  }

  # Not every error has a cause, and a cause may be long and is not for people.
  assert {
    condition     = length(regexall("Cause", jsonencode(jsondecode(aws_sfn_state_machine.this.definition).States.GivenUp))) == 0
    error_message = "Without a cause the notification fails."
  }

  assert {
    condition = (jsondecode(aws_sfn_state_machine.this.definition).States.Outcome.Default == "Unsuccessful"
    && jsondecode(aws_sfn_state_machine.this.definition).States.Unsuccessful.Default == "Failed")
    error_message = "An outcome that is not known to be good fails the execution."
  }

  assert {
    condition = contains([for rule in jsondecode(aws_sfn_state_machine.this.definition).States.Outcome.Choices[0].Or : rule.StringEquals],
    "stopped")
    error_message = "A run that a person stopped ends without an alarm."
  }

  assert {
    condition = alltrue([for next in [
      jsondecode(aws_sfn_state_machine.this.definition).States.Tell.Next,
      jsondecode(aws_sfn_state_machine.this.definition).States.Tell.Catch[0].Next,
    ] : next == "Outcome"])
    error_message = "A run ends the same way whether or not the notification succeeded."
  }

  assert {
    condition = alltrue([
      jsondecode(aws_sfn_state_machine.this.definition).States.Changed.Choices[0] == { Variable = "$.last.answer.message", IsPresent = true, Next = "Tell" },
      jsondecode(aws_sfn_state_machine.this.definition).States.Tell.Parameters["Subject.$"] == "$.last.answer.message.subject",
      jsondecode(aws_sfn_state_machine.this.definition).States.Announce.Parameters.Entries[0]["Detail.$"] == "$.last.answer",
    ])
    error_message = "People are notified of changes, in the function's words; EventBridge gets every run."
  }

  # Throttling by Lambda lasts as long as others use the account's concurrency.
  assert {
    condition = alltrue([for state in concat(
      [for name in ["Prepare", "Reconcile", "Open", "Finish", "FinishAfterError", "FinishFailed"] : jsondecode(aws_sfn_state_machine.this.definition).States[name]],
      [jsondecode(aws_sfn_state_machine.this.definition).States.Lanes.ItemProcessor.States.Deliver],
    ) : [for retry in state.Retry : retry.MaxAttempts if contains(retry.ErrorEquals, "Lambda.TooManyRequestsException")] == [20]])
    error_message = "A throttled call is tried again 20 times."
  }

  # A task waits slightly longer than an invocation can take.
  assert {
    condition = alltrue([for state in ["Prepare", "Reconcile", "Open", "Finish", "FinishAfterError", "FinishFailed"] :
    jsondecode(aws_sfn_state_machine.this.definition).States[state].TimeoutSeconds == 930])
    error_message = "TimeoutSeconds is 930."
  }

  # Every task calls the function.
  assert {
    condition     = length(regexall(aws_lambda_alias.live.arn, aws_sfn_state_machine.this.definition)) == 7
    error_message = "Seven tasks, one function."
  }

  # A comparison with the account is called again until it is done, and succeeds whatever differs.
  assert {
    condition = alltrue([
      jsondecode(aws_sfn_state_machine.this.definition).States.Begin.Choices[1] == { Variable = "$.run.reconcile", IsPresent = true, Next = "Reconcile" },
      jsondecode(aws_sfn_state_machine.this.definition).States.Reconciled.Choices[0].Next == "Reconcile",
      jsondecode(aws_sfn_state_machine.this.definition).States.Reconciled.Choices[1].Next == "Wait",
      jsondecode(aws_sfn_state_machine.this.definition).States.Reconciled.Default == "Announce",
      jsondecode(aws_sfn_state_machine.this.definition).States.Wait.Next == "Begin",
      contains([for rule in jsondecode(aws_sfn_state_machine.this.definition).States.Outcome.Choices[0].Or : rule.StringEquals], "differences_found"),
    ])
    error_message = "A comparison goes on until it is done, waits for its turn, and tells of differences without failing."
  }

  # A rollback reaches whatever calls the function.
  assert {
    condition     = aws_lambda_function.this.publish && length(regexall("function:autopilot-export\"", aws_sfn_state_machine.this.definition)) == 0
    error_message = "A task calls the newest code, whatever the alias says."
  }

  assert {
    condition     = aws_sfn_state_machine.this.arn == local.workflow_arn
    error_message = "The ARN that the function is given is the machine's."
  }

  # No data in the workflows logs.
  assert {
    condition     = !aws_sfn_state_machine.this.logging_configuration[0].include_execution_data
    error_message = "Logs carry events without their data."
  }
}

run "reserved_concurrency_leaves_room_beside_the_lanes" {
  command = plan

  variables {
    reserved_concurrency = 4
  }

  expect_failures = [aws_lambda_function.this]
}

run "a_plan_needs_no_zip" {
  command = plan

  variables {
    function_zip = "tests/data/none.zip"
  }

  assert {
    condition     = endswith(aws_lambda_function.this.filename, "none.zip")
    error_message = "Plan and destroy work on a machine that built nothing."
  }
}

run "concurrency_memory_and_disk_are_as_asked_for" {
  variables {
    reserved_concurrency = 6
    memory_mb            = 1024
    ephemeral_mb         = 2048
  }

  assert {
    condition     = [aws_lambda_function.this.memory_size, aws_lambda_function.this.ephemeral_storage[0].size] == [1024, 2048]
    error_message = "The function has the memory and the disk asked for."
  }

  assert {
    condition     = aws_lambda_function.this.reserved_concurrent_executions == 6
    error_message = "The function may run 6 times at once."
  }
}

# Each API has an override of its own.
run "an_override_reaches_one_api" {
  variables {
    ortto_base_url_override = "http://127.0.0.1:8081/v1"
  }

  assert {
    condition     = aws_lambda_function.this.environment[0].variables["ORTTO_BASE_URL"] == "http://127.0.0.1:8081/v1"
    error_message = "The function exports to the override."
  }

  assert {
    condition     = !can(aws_lambda_function.this.environment[0].variables["AUTOPILOT_BASE_URL"])
    error_message = "Connections to Autopilot keep their own address."
  }
}
