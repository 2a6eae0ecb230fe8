# The bucket for drops, state and runs. Everything here is for a bucket that this deployment creates; an existing bucket is
# only looked up, and gets one object: config/exports.json.

data "aws_s3_bucket" "existing" {
  count  = local.own_bucket ? 0 : 1
  bucket = var.bucket
}

resource "aws_s3_bucket" "store" {
  #checkov:skip=CKV_AWS_18:CloudTrail data events record access where an account wants it; a log bucket is the account's choice
  #checkov:skip=CKV_AWS_144:drops can be delivered again and the state rebuilt with --full; a replica would spread personal data
  #checkov:skip=CKV2_AWS_62:notifications are set in triggers.tf, on the prefix segments/ only
  count         = local.own_bucket ? 1 : 0
  bucket        = "${var.name}-${local.account}-${local.region}"
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_versioning" "store" {
  count  = local.own_bucket ? 1 : 0
  bucket = aws_s3_bucket.store[0].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "store" {
  count  = local.own_bucket ? 1 : 0
  bucket = aws_s3_bucket.store[0].id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.this.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "store" {
  count                   = local.own_bucket ? 1 : 0
  bucket                  = aws_s3_bucket.store[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "store" {
  count  = local.own_bucket ? 1 : 0
  bucket = aws_s3_bucket.store[0].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_policy" "store" {
  count  = local.own_bucket ? 1 : 0
  bucket = aws_s3_bucket.store[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*" # a Deny: no call without TLS
      Resource  = [aws_s3_bucket.store[0].arn, "${aws_s3_bucket.store[0].arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  depends_on = [aws_s3_bucket_public_access_block.store]
}

resource "aws_s3_object" "config" {
  bucket       = local.bucket
  key          = "config/exports.json"
  source       = var.config_file
  source_hash  = filemd5(var.config_file)
  content_type = "application/json"
  kms_key_id   = local.own_bucket ? aws_kms_key.this.arn : var.bucket_kms_key_arn

  depends_on = [aws_s3_bucket_versioning.store, aws_s3_bucket_server_side_encryption_configuration.store]
}
