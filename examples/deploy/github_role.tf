# The role of examples/deploy/github.yml, for an administrator of the account to apply once. It has no permissions yet:
# attach a policy that covers what infra/ makes, with a permissions boundary where there is one.
variable "repository" {
  description = "OWNER/NAME on GitHub."
  type        = string
}

data "aws_iam_openid_connect_provider" "github" {
  url = "https://token.actions.githubusercontent.com"
}

resource "aws_iam_role" "deploy" {
  name = "autopilot-export-deploy"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = data.aws_iam_openid_connect_provider.github.arn }
      Condition = { StringEquals = {
        "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
        "token.actions.githubusercontent.com:sub" = "repo:${var.repository}:environment:production"
      } }
    }]
  })
}

output "role_arn" {
  value = aws_iam_role.deploy.arn
}
