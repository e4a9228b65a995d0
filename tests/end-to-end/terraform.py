"""Runs Terraform against the server.

The provider comes from the folder of a mirror that `DRAWBRIDGE_TERRAFORM_MIRROR` names or that is found where software
is put, or else from where Terraform's own configuration says.
"""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

PATIENCE = 500

PROVIDER = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region                      = "us-east-1"
  skip_metadata_api_check     = true
  skip_region_validation      = true
}
"""


class Terraform:
    """Terraform in a folder of its own."""

    def __init__(self, dev, folder, configuration):
        if not shutil.which("terraform"):
            pytest.skip("`terraform` is not installed")
        self.folder = folder
        (folder / "main.tf").write_text(PROVIDER + configuration)
        self.env = dev.env | {name: value for name, value in os.environ.items() if name.startswith("TF_")}
        self.env |= {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
        mirror = os.environ.get("DRAWBRIDGE_TERRAFORM_MIRROR") or found_mirror()
        init = self.run("init", *([f"-plugin-dir={mirror}"] if mirror else []))
        if init.returncode:
            reason = re.search("Error: .*", init.stderr + "Error: none given").group()
            pytest.skip(f"Terraform finds no AWS provider: {reason}")

    def __call__(self, *arguments, check=(0,)):
        """Answers the exit code, which must be one of `check`, and what was printed."""
        done = self.run(*arguments)
        assert done.returncode in check, done.stdout + done.stderr
        return done.returncode, done.stdout

    def run(self, *arguments):
        return subprocess.run(["terraform", *arguments, "-no-color"], cwd=self.folder, env=self.env,
                              timeout=PATIENCE, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def found_mirror():
    """A folder laid out as a provider mirror with the AWS provider in it, if this machine has one."""
    roots = [pathlib.Path(root) for root in ("/opt", "/srv", "/usr/share", "/usr/local/share", "/usr/local/lib")]
    found = (path for root in roots for path in root.glob("*/registry.terraform.io/hashicorp/aws"))
    return next((path.parents[2] for path in found), None)
