# Overrides the provider of infra/ for the local AWS; Terraform merges it into the provider block. Endpoints come from AWS_ENDPOINT_URL.
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "local"
  secret_key                  = "local"
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}
