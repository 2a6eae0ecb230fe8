# Which bucket, who is notified of what, and how long things are kept.

variable "bucket" {
  description = <<-EOT
    null creates a bucket. Otherwise the name of an existing bucket in this region: its settings and notifications are not
    touched. Its owner turns on EventBridge, and is responsible for encryption and for the expiry of runs/.
  EOT
  type        = string
  default     = null

  validation {
    condition     = var.bucket == null ? true : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket: null, or the name of a bucket (not an ARN)."
  }
}

variable "bucket_kms_key_arn" {
  description = "ARN of the KMS key that an existing bucket is encrypted with; null if there is none."
  type        = string
  default     = null

  validation {
    condition     = var.bucket_kms_key_arn == null ? true : can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/", var.bucket_kms_key_arn))
    error_message = "bucket_kms_key_arn: null, or the ARN of a key."
  }
}

variable "event_topic_arns" {
  description = "ARNs of the SNS topics that an existing bucket's events go to; the function subscribes to them."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.event_topic_arns : can(regex("^arn:[^:]+:sns:[^:]+:[0-9]{12}:[^:]+$", arn))])
    error_message = "event_topic_arns: each the ARN of a topic."
  }
}

variable "event_queue_arns" {
  description = "ARNs of the SQS queues that an existing bucket's events go to; the function reads them. A queue with a key of its own must let the function's role decrypt."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.event_queue_arns : can(regex("^arn:[^:]+:sqs:[^:]+:[0-9]{12}:[^:]+$", arn))])
    error_message = "event_queue_arns: each the ARN of a queue."
  }
}

variable "runs_expire_days" {
  description = "Days after which a run's report expires, and with it the run in `runs` and in `person --history`, which has 400 days at most."
  type        = number
  default     = 400

  validation {
    condition     = var.runs_expire_days >= 1 && var.runs_expire_days <= 3650
    error_message = "runs_expire_days: 1 to 3650."
  }
}

variable "personal_expire_days" {
  description = "Days after which what holds personal data of a run expires: rejects, and what a run that died left."
  type        = number
  default     = 30

  validation {
    condition     = var.personal_expire_days >= 1 && var.personal_expire_days <= var.runs_expire_days
    error_message = "personal_expire_days: 1 to runs_expire_days."
  }
}

variable "drops_expire_days" {
  description = "Days after which a drop expires; must be longer than the time between two drops of a segment."
  type        = number
  default     = 30

  validation {
    condition     = var.drops_expire_days >= 1 && var.drops_expire_days <= 3650
    error_message = "drops_expire_days: 1 to 3650."
  }
}

variable "noncurrent_expire_days" {
  description = "Days for which an overwritten or deleted object can be restored."
  type        = number
  default     = 7

  validation {
    condition     = var.noncurrent_expire_days >= 1 && var.noncurrent_expire_days <= 365
    error_message = "noncurrent_expire_days: 1 to 365."
  }
}

variable "log_retention_days" {
  description = "Days for which logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827], var.log_retention_days)
    error_message = "log_retention_days: one of the values that CloudWatch accepts (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, ...)."
  }
}

variable "alert_emails" {
  description = "Email addresses to notify of alarms and of exports that fail, are stopped by a guard, reject many rows, or recover; each confirms through an email from AWS."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+$", email))])
    error_message = "alert_emails: each an email address."
  }
}

variable "silence_hours" {
  description = "Hours without the end of a run before an alarm, by export. Default: the schedule's interval plus two hours; no alarm without a schedule. 0 disables it."
  type        = map(number)
  default     = {}

  # CloudWatch looks back 7 days at most.
  validation {
    condition     = alltrue([for hours in values(var.silence_hours) : hours >= 0 && hours <= 168 && floor(hours) == hours])
    error_message = "silence_hours: whole numbers from 0 to 168."
  }

  validation {
    condition     = alltrue([for name in keys(var.silence_hours) : can(jsondecode(file(var.config_file)).exports[name])])
    error_message = "silence_hours: names an export that the configuration does not have."
  }
}
