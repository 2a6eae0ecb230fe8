terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.90, < 7.0"
    }
  }
}

# Region and credentials come from the environment (AWS_REGION, AWS_PROFILE), as with other AWS tools.
# Where Terraform keeps its own state is the deployer's choice: put a backend block in a file next to this one.
provider "aws" {
  default_tags {
    tags = merge({ application = var.name }, var.tags)
  }
}
