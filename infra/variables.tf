variable "name" {
  description = "Name of the deployment; every resource carries it."
  type        = string
  default     = "autopilot-export"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,29}$", var.name))
    error_message = "name: 2 to 30 of a-z, 0-9 and -, a letter first."
  }
}

variable "config_file" {
  description = "Path to exports.json: connections, exports, their segments and schedules."
  type        = string
  default     = "../exports.json"

  validation {
    condition     = can(jsondecode(file(var.config_file)).exports) && can(jsondecode(file(var.config_file)).connections)
    error_message = "config_file: no such file, or not JSON with connections and exports; `autopilot-export check` names the fault."
  }

  # A drop elsewhere would never be noticed: notifications watch segments/ only.
  validation {
    condition = alltrue(flatten([for export in try(jsondecode(file(var.config_file)).exports, {}) : [
      for segment in export.segments : can(regex("^segments/.*[^/].*/$", segment.prefix))
    ]]))
    error_message = "config_file: every segment's prefix must start with segments/ and end with a slash."
  }
}

variable "function_zip" {
  description = "Path to the built function: a zip that contains `bootstrap`."
  type        = string
  default     = "../target/lambda/autopilot-export-lambda/bootstrap.zip"
}

variable "architecture" {
  description = "CPU architecture that the function was built for; arm64 costs 20 % less."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture: arm64 or x86_64."
  }
}

variable "memory_mb" {
  description = "Memory of the function in MB; CPU is allocated in proportion. 256 carries an export of a million profiles, which takes 114."
  type        = number
  default     = 256

  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 10240 && floor(var.memory_mb) == var.memory_mb
    error_message = "memory_mb: a whole number from 128 to 10240."
  }
}

variable "ephemeral_mb" {
  description = "Disk of the function in MB, for what a run sorts, and for rejects, of which there are 256 MiB at most. 512 cost nothing."
  type        = number
  default     = 512

  validation {
    condition     = var.ephemeral_mb >= 512 && var.ephemeral_mb <= 10240 && floor(var.ephemeral_mb) == var.ephemeral_mb
    error_message = "ephemeral_mb: a whole number from 512 to 10240."
  }
}

variable "permissions_boundary" {
  description = "ARN of the policy that bounds what the deployment's roles may do, where the account asks for one; null for none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary == null ? true : can(regex("^arn:[^:]+:iam::[^:]*:policy/", var.permissions_boundary))
    error_message = "permissions_boundary: null, or the ARN of a policy."
  }
}

variable "timeout_seconds" {
  description = "Time limit of one invocation in seconds; a step that needs longer yields and is called again."
  type        = number
  default     = 900

  # The workflow waits 930 s for an answer (workflow.asl.json), slightly longer than an invocation can take.
  validation {
    condition     = var.timeout_seconds >= 5 && var.timeout_seconds <= 900 && floor(var.timeout_seconds) == var.timeout_seconds
    error_message = "timeout_seconds: a whole number from 5 to 900."
  }
}

variable "reserved_concurrency" {
  description = "Concurrency reserved for the function; null uses the account's shared pool."
  type        = number
  default     = null

  validation {
    condition     = var.reserved_concurrency == null ? true : var.reserved_concurrency >= 2
    error_message = "reserved_concurrency: null, or at least 2 (a lane and a start)."
  }
}

variable "base_url_override" {
  description = "Overrides the address of all Autopilot connections, for testing; null keeps their own."
  type        = string
  default     = null

  validation {
    condition     = var.base_url_override == null ? true : can(regex("^https://|^http://(127\\.0\\.0\\.1|localhost)[:/]", var.base_url_override))
    error_message = "base_url_override: https://, or http:// on this machine."
  }
}

variable "ortto_base_url_override" {
  description = "Overrides the address of all Ortto connections, for testing; null keeps their own."
  type        = string
  default     = null

  validation {
    condition     = var.ortto_base_url_override == null ? true : can(regex("^https://|^http://(127\\.0\\.0\\.1|localhost)[:/]", var.ortto_base_url_override))
    error_message = "ortto_base_url_override: https://, or http:// on this machine."
  }
}

variable "tags" {
  description = "Tags for every resource, in addition to application = name."
  type        = map(string)
  default     = {}
}

variable "force_destroy" {
  description = "Let `terraform destroy` remove the bucket with all its objects, and the secrets without a recovery window."
  type        = bool
  default     = false
}
