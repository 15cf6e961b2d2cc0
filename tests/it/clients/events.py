# requests decodes a text by the charset of its type, ISO-8859-1 where it has none, and cuts lines as Python does.
import sys

import requests

answer = requests.get(sys.argv[1], stream=True)
for line in answer.iter_lines(decode_unicode=True):
    print(ascii(line), flush=True)
