# Where Terraform keeps its own state: copy this file into infra/, beside versions.tf, and name a bucket of yours.
# The state holds no key and no personal data, but names of everything. `make infra-init` takes it over; the local AWS ignores it.
terraform {
  backend "s3" {
    bucket       = "a-bucket-of-yours"
    key          = "autopilot-export/terraform.tfstate"
    region       = "eu-central-1"
    encrypt      = true
    use_lockfile = true
  }
}
