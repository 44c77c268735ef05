"""Prints template.yaml as CloudFormation gets it: after AWS's own SAM transform, which runs offline.

usage: transform.py template.yaml NAME=VALUE...
"""

import json
import os
import sys

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class NoManagedPolicies:
    """The template names none; the translator asks all the same."""

    def load(self):
        return {}


os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
with open(sys.argv[1], encoding="utf-8") as file:
    template = yaml_parse(file)
for resource in template["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        # What `sam deploy` does after it has uploaded the artefact.
        properties = resource["Properties"]
        properties["CodeUri"] = {"Bucket": "artefacts", "Key": properties["CodeUri"]}
parameters = dict(argument.split("=", 1) for argument in sys.argv[2:])
json.dump(transform(template, parameters, NoManagedPolicies()), sys.stdout, indent=2)
