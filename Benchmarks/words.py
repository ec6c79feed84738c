"""English-like text: compressible as conversations are, and the same for the same seed."""

import random

# Common words first: they are drawn more often, as in a language.
WORDS = """
the of and to a in that is it for you was with on as are be this have from or one had by not what all were we when
your can said there use an each which she do how their if will up other about out many then them these so some her
would make like him into time has look two more write go see number no way could people my than first water been call
who oil its now find long down day did get come made may part agent task graph node state checkpoint thread message
answer question result tool search document summary customer order invoice report review plan step budget quarter
region market product shipping address payment refund policy contract delivery schedule meeting project release version
error request response server client database query index table record field value token model prompt context memory
retrieve compare update confirm cancel approve reject escalate forward assign resolve monitor deploy rollback measure
latency throughput capacity storage network failure recovery backup retention security permission account session
temperature weather station railway bridge river mountain harbour village garden kitchen window letter picture music
history science language student teacher library reading because however although therefore meanwhile perhaps usually
quickly carefully recently certainly probably eventually important different possible available necessary remaining
""".split()
WEIGHTS = [1 / (rank + 3) for rank in range(len(WORDS))]


def text(generator: random.Random, size: int) -> str:
    """Sentences of exactly that many ASCII characters."""
    sentences: list[str] = []
    length = 0
    while length < size:
        words = generator.choices(WORDS, WEIGHTS, k=generator.randint(6, 18))
        if generator.random() < 0.15:
            words[-1] = str(generator.randint(2, 99_999))
        sentence = " ".join(words).capitalize() + ". "
        sentences.append(sentence)
        length += len(sentence)
    return "".join(sentences)[:size]


def data(generator: random.Random, size: int) -> bytes:
    """The same as bytes."""
    return text(generator, size).encode("ascii")
