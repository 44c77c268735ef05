"""Prints the default of every parameter that has one, as `sam deploy --parameter-overrides` takes it, one a line.

Given first, they make a deployment depend on what it is given: of a parameter that is not given, CloudFormation takes the
value of the deployment before, also when that was for an emergency. Of a parameter that is given twice, the last counts.

usage: python parameters.py template.yaml, with PyPI's aws-sam-translator
"""

import sys

from samtranslator.yaml_helper import yaml_parse

with open(sys.argv[1], encoding="utf-8") as file:
    parameters = yaml_parse(file)["Parameters"]
for name, parameter in parameters.items():
    if "Default" in parameter:
        print(f'{name}="{parameter["Default"]}"')
