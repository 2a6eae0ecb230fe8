# The local AWS keeps its state in its own folder, whatever backend infra/ has: Terraform takes an override's backend alone.
terraform {
  backend "local" {}
}
