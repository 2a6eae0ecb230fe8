# How long objects are kept. What holds personal data of a run (chunks, results, rejects) is tagged by the program, and goes before the
# run's report. `state/`, `leases/` and `config/` never expire.

resource "aws_s3_bucket_lifecycle_configuration" "store" {
  count  = local.own_bucket ? 1 : 0
  bucket = aws_s3_bucket.store[0].id

  rule {
    id     = "runs"
    status = "Enabled"

    filter {
      prefix = "runs/"
    }

    expiration {
      days = var.runs_expire_days
    }
  }

  rule {
    id     = "personal"
    status = "Enabled"

    filter {
      tag {
        key   = "content"
        value = "personal"
      }
    }

    expiration {
      days = var.personal_expire_days
    }

    # They are deleted when the run ends; nobody needs their old versions.
    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }

  rule {
    id     = "returns"
    status = "Enabled"

    filter {
      prefix = "returns/"
    }

    expiration {
      days = var.personal_expire_days
    }
  }

  rule {
    id     = "drops"
    status = "Enabled"

    filter {
      prefix = "segments/"
    }

    expiration {
      days = var.drops_expire_days
    }
  }

  rule {
    id     = "old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_expire_days
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "unfinished-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }

  depends_on = [aws_s3_bucket_versioning.store]
}
