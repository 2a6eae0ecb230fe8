# People who deliver the segments of one export: a policy per export.

resource "aws_iam_policy" "contributor" {
  for_each    = local.config.exports
  name        = "${local.global_name}-contributor-${each.key}"
  description = "Drop the segments of the export ${each.key}, which starts it, and read its reports"
  policy      = data.aws_iam_policy_document.contributor[each.key].json
}

data "aws_iam_policy_document" "contributor" {
  for_each = local.config.exports

  source_policy_documents = [
    data.aws_iam_policy_document.no_secrets.json,
    data.aws_iam_policy_document.key_through_s3["read"].json, data.aws_iam_policy_document.key_through_s3["write"].json,
  ]

  statement {
    sid       = "Drop"
    actions   = ["s3:AbortMultipartUpload", "s3:PutObject"]
    resources = [for segment in each.value.segments : "${local.objects}${segment.prefix}*"]
  }

  statement {
    sid       = "ReadReports"
    actions   = ["s3:GetObject"]
    resources = ["${local.objects}runs/${each.key}/*/report.*", "${local.objects}runs/${each.key}/*/run.json"]
  }

  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = concat(["runs/${each.key}/*"], [for segment in each.value.segments : "${segment.prefix}*"])
    }
  }
}
