from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from pid_lvlm.analysis.report.page.still import embedded

SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" width="85.00mm" height="50.00mm">
<g role="graphics-object" aria-label="model: &lt;b>; bits: 0.123456">
<path d="M1.2102531405971368,-19.5h0.0004z" aria-hidden="true"
fill="#CC79A7"/>
<text font-family="'Liberation Sans'" transform="translate(12.3456,7)">it's “0.00012 %” &amp; &lt;S&gt;</text>
</g></svg>"""


def test_an_image_has_the_drawing_without_what_is_said_of_its_marks():
    address = embedded(SVG.encode())
    kind, _, content = address.partition(",")
    assert kind == "data:image/svg+xml"
    assert not set(address) & set('"<>#&\n')
    path, text = (each for each in ElementTree.fromstring(unquote(content)).iter() if each.tag[-4:] in ("path", "text"))
    assert path.attrib == {"d": "M1.21,-19.5h0z", "fill": "#CC79A7"}
    assert text.text == "it's “0.00012 %” & <S>"
    assert text.attrib == {"font-family": "'Liberation Sans'", "transform": "translate(12.35,7)"}


@pytest.mark.parametrize("value", ["12.5", "100", "0.25"])
def test_short_numbers_stay_as_they_are(value):
    assert f"width='{value}'" in unquote(embedded(f'<svg width="{value}"/>'.encode()))
