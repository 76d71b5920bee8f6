import pytest

from vild.data.lvis import lvis_categories
from vild.errors import InputError
from vild.names import check_classes
from vild.prompts import SETS, article, clean, read_templates, write_prompts


def test_the_sets_have_the_published_sizes():
    assert {name: len(texts) for name, texts in SETS.items()} == {
        "name": 1,
        "single": 1,
        "vild": 63,
        "vild-demo": 63,
    }
    assert len(set(SETS["vild"])) == 63


# Names of LVIS with an underscore, a qualifier, a vowel; the strings as they are.
EXACT = {
    "bow_(weapon)": [
        "There is a bow (weapon) in the scene.",
        "There is the bow (weapon) in the scene.",
        "a photo of a bow (weapon) in the scene.",
        "a photo of the bow (weapon) in the scene.",
        "a photo of one bow (weapon) in the scene.",
        "itap of a bow (weapon).",
        "itap of my bow (weapon).",
        "itap of the bow (weapon).",
    ],
    "alarm_clock": [
        "There is an alarm clock in the scene.",
        "There is the alarm clock in the scene.",
        "a photo of an alarm clock in the scene.",
        "a photo of the alarm clock in the scene.",
        "a photo of one alarm clock in the scene.",
        "itap of an alarm clock.",
        "itap of my alarm clock.",
        "itap of the alarm clock.",
    ],
}


@pytest.mark.parametrize("name", EXACT)
def test_exact_strings_of_lvis_names(name):
    assert name in {category.name for category in lvis_categories()}
    texts = write_prompts(name, SETS["vild"])
    assert texts[:8] == EXACT[name]
    assert texts[-3:] == [
        f"the embroidered {clean(name)}.",
        f"a painting of the {clean(name)}.",
        f"a painting of a {clean(name)}.",
    ]
    assert write_prompts(name, SETS["single"]) == [
        f"a photo of {article(clean(name))} {clean(name)}."
    ]


def test_the_demonstration_begins_with_this_is():
    texts = write_prompts("owl", SETS["vild-demo"])
    assert texts[0] == "There is an owl in the scene."
    assert texts[2] == "This is a photo of an owl in the scene."
    assert texts[5] == "itap of an owl."
    assert texts[-4] == "This is an embroidered owl."
    assert sum(text.startswith("This is ") for text in texts) == 58


def test_cleaning_is_the_released_rule_for_all_names_of_lvis():
    for category in lvis_categories():
        for name in (category.name, *category.synonyms):
            released = name.replace("_", " ").replace("/", " or ").lower().rstrip(".")
            assert clean(name) == released
            # The release looks at the raw name; for these it is the same.
            assert article(clean(name)) == ("an" if name[0] in "aeiou" else "a")


def test_names_that_cleaning_would_empty_stay():
    assert clean("...") == "..."
    assert clean("  Wild  Bird ") == "wild bird"


def test_own_templates():
    own = read_templates(["{} by night", "{article} {} on {article} {}"])
    assert write_prompts("Owl", own) == ["owl by night", "an owl on an owl"]
    assert write_prompts("a {brace} 100%", ["my {}"]) == ["my a {brace} 100%"]


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        ("vlid", r"no set of templates 'vlid'.*vild"),
        ("a photo of {}", r"write \['a photo of \{\}'\]"),
        ([], "is empty"),
        (["a photo"], "no slot for the name"),
        (["{article} thing"], "no slot for the name"),
        (["a {name}"], "another slot"),
        (["a {:>5}"], "another slot"),
        (["a {0}"], "another slot"),
        (["a {"], "broken"),
        ([3], "must be a string"),
        (7, "list of strings"),
        ({"{}"}, "list of strings"),
    ],
)
def test_templates_that_cannot_be_used(templates, message):
    with pytest.raises(InputError, match=message):
        read_templates(templates)


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(InputError, match="not valid text"):
        check_classes([b"caf\xe9".decode(errors="surrogateescape")])
    assert check_classes(["café", "猫", "🛴"]) == [["café"], ["猫"], ["🛴"]]
