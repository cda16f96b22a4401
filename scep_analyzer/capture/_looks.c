/* The first look at HTTP messages, compiled: those that are certainly not SCEP's, which are nearly all.
 *
 * The same as look_at_request and look_at_response of sieve/heads.py where those say OTHER. Whatever they would say otherwise, or
 * whatever is rare, is no answer here: Python looks itself then. tests/capture/test_looks.py holds the two against each other.
 */

#include "_stride.h"

enum { LONGEST_HEAD = 8192, LONGEST_NUMBER = 15, LONGEST_METHOD = 32 };

static int is_space(unsigned char byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }

static int is_digit(unsigned char byte) { return byte >= '0' && byte <= '9'; }

static unsigned char lower(unsigned char byte) { return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte + 32) : byte; }

/* Where a word begins in these bytes, -1 where it does not occur. */
static Py_ssize_t find(const unsigned char *bytes, Py_ssize_t size, const unsigned char *word, Py_ssize_t length) {
    const unsigned char *at = bytes, *end = bytes + size - length + 1;
    while (length > 0 && at < end && (at = memchr(at, word[0], (size_t)(end - at))) != NULL) {
        if (!memcmp(at, word, (size_t)length))
            return at - bytes;
        at++;
    }
    return -1;
}

#define FIND(bytes, size, word) find(bytes, size, (const unsigned char *)(word), sizeof(word) - 1)

static int holds_one_of(const unsigned char *bytes, Py_ssize_t size, const Words *words) {
    for (Py_ssize_t each = 0; each < words->count; each++)
        if (find(bytes, size, words->at[each], words->size[each]) >= 0)
            return 1;
    return 0;
}

static int starts_with_one_of(const unsigned char *bytes, Py_ssize_t size, const Words *words) {
    for (Py_ssize_t each = 0; each < words->count; each++)
        if (words->size[each] <= size && !memcmp(bytes, words->at[each], (size_t)words->size[each]))
            return 1;
    return 0;
}

/* Where the body begins; 0 where the head is not whole, is too long for this look, or ends in bare line feeds. */
static Py_ssize_t head_end(const unsigned char *bytes, Py_ssize_t size) {
    Py_ssize_t most = size < LONGEST_HEAD ? size : LONGEST_HEAD;
    for (const unsigned char *at = bytes, *end = bytes + most; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++) {
        if (end - at > 1 && at[1] == '\n')
            return 0;
        if (end - at > 2 && at[1] == '\r' && at[2] == '\n')
            return at + 3 - bytes;
    }
    return 0;
}

static int is_scep_type(const Marks *marks, const unsigned char *head, Py_ssize_t size) {
    Py_ssize_t at = FIND(head, size, "content-type");
    return at >= 0 && holds_one_of(head + at, size - at, &marks->types);
}

/* The Content-Length of a head in lower case, -1 where there is none, -2 where it is odd. */
static int64_t content_length(const unsigned char *head, Py_ssize_t size) {
    Py_ssize_t at = FIND(head, size, "content-length");
    if (at < 0)
        return -1;
    if (at < 1 || head[at - 1] != '\n' || at + 14 >= size || head[at + 14] != ':')
        return -2;
    Py_ssize_t from = at + 15;
    const unsigned char *line_end = from < size ? memchr(head + from, '\n', (size_t)(size - from)) : NULL;
    if (line_end == NULL)
        return -2; /* not in a whole head */
    Py_ssize_t to = line_end - head;
    while (from < to && is_space(head[from]))
        from++;
    while (to > from && is_space(head[to - 1]))
        to--;
    if (to == from || to - from > LONGEST_NUMBER)
        return -2;
    int64_t length = 0;
    for (; from < to; from++) {
        if (!is_digit(head[from]))
            return -2;
        length = length * 10 + (head[from] - '0');
    }
    return length;
}

/* The second of the words that a line is made of, as bytes.split() tells them. */
static void second_word(const unsigned char *line, Py_ssize_t size, const unsigned char **word, Py_ssize_t *length) {
    Py_ssize_t at = 0, start;
    while (at < size && is_space(line[at]))
        at++;
    while (at < size && !is_space(line[at]))
        at++;
    while (at < size && is_space(line[at]))
        at++;
    for (start = at; at < size && !is_space(line[at]); at++)
        ;
    *word = line + start, *length = at - start;
}

/* Whether a request's method is a known one; -1 where these bytes are too few to tell, which a caller takes for odd. */
int begins_request(const Marks *marks, const unsigned char *bytes, Py_ssize_t size) {
    unsigned char word[LONGEST_METHOD];
    Py_ssize_t length = 0;
    for (; length < size && bytes[length] != ' '; length++) {
        if (length == LONGEST_METHOD)
            return 0;
        word[length] = bytes[length] >= 'a' && bytes[length] <= 'z' ? (unsigned char)(bytes[length] - 32) : bytes[length];
    }
    if (length == size)
        return -1;
    for (Py_ssize_t each = 0; each < marks->methods.count; each++)
        if (marks->methods.size[each] == length && !memcmp(marks->methods.at[each], word, (size_t)length))
            return 1;
    return 0;
}

/* Whether these bytes are one whole request, and none of SCEP's; its length and target then. */
int other_request(const Marks *marks, const unsigned char *bytes, Py_ssize_t size, Py_ssize_t *whole,
                  const unsigned char **target, Py_ssize_t *target_size) {
    unsigned char head[LONGEST_HEAD];
    Py_ssize_t end = head_end(bytes, size), line;
    if (!end)
        return 0;
    for (Py_ssize_t at = 0; at < end; at++)
        head[at] = lower(bytes[at]);
    line = (const unsigned char *)memchr(head, '\n', (size_t)end) - head;
    if (holds_one_of(head, line, &marks->hints) || (FIND(head, line, " http/") < 0 && FIND(head, line, "\thttp/") < 0))
        return 0;
    if (FIND(head, end, "transfer-encoding") >= 0 || FIND(head, end, "content-lenght") >= 0 || is_scep_type(marks, head, end))
        return 0;
    int64_t length = content_length(head, end);
    if (length == -2 || size - end != (length > 0 ? length : 0) || starts_with_one_of(bytes + end, size - end, &marks->bodies))
        return 0;
    second_word(bytes, line, target, target_size);
    *whole = size;
    return 1;
}

/* Whether these bytes begin a response that is not SCEP's, with enough of its body to tell. */
int other_response(const Marks *marks, const unsigned char *bytes, Py_ssize_t size) {
    unsigned char head[LONGEST_HEAD];
    const unsigned char *word;
    Py_ssize_t end = head_end(bytes, size), length;
    if (!end)
        return 0;
    for (Py_ssize_t at = 0; at < end; at++)
        head[at] = lower(bytes[at]);
    if (end < 5 || memcmp(head, "http/", 5))
        return 0;
    second_word(head, end, &word, &length);
    if (length != 3 || !is_digit(word[0]) || !is_digit(word[1]) || !is_digit(word[2]))
        return 0;
    int status = (word[0] - '0') * 100 + (word[1] - '0') * 10 + word[2] - '0';
    if (status < 200 || FIND(head, end, "content-lenght") >= 0 || is_scep_type(marks, head, end))
        return status == 101 && FIND(head, end, "content-lenght") < 0 && !is_scep_type(marks, head, end);
    if (status == 204 || status == 304)
        return 1;
    const unsigned char *body = bytes + end;
    int64_t claimed = -1;
    if (FIND(head, end, "transfer-encoding") >= 0) {
        body = size > end ? memchr(bytes + end, '\n', (size_t)(size - end)) : NULL;
        if (body == NULL)
            return 0;
        body++;
    } else if ((claimed = content_length(head, end)) == -2)
        return 0;
    else if (claimed == 0)
        return 1;
    Py_ssize_t left = bytes + size - body;
    if (!left || starts_with_one_of(body, left, &marks->bodies))
        return 0;
    return left >= 3 || (claimed >= 0 && claimed <= left);
}

int words_of(PyObject *sequence, Words *words) {
    PyObject *each = NULL;
    words->words = PySequence_Tuple(sequence);
    if (words->words == NULL || (words->count = PyTuple_Size(words->words)) < 0)
        return -1;
    words->at = PyMem_Calloc((size_t)words->count + 1, sizeof *words->at);
    words->size = PyMem_Calloc((size_t)words->count + 1, sizeof *words->size);
    if (words->at == NULL || words->size == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t at = 0; at < words->count; at++) {
        char *bytes;
        if ((each = PyTuple_GetItem(words->words, at)) == NULL || PyBytes_AsStringAndSize(each, &bytes, &words->size[at]) < 0)
            return -1;
        words->at[at] = (const unsigned char *)bytes;
    }
    return 0;
}

void words_freed(Words *words) {
    PyMem_Free(words->at);
    PyMem_Free(words->size);
    Py_CLEAR(words->words);
    words->at = NULL, words->size = NULL, words->count = 0;
}

static int marks_from(PyObject *methods, PyObject *hints, PyObject *types, PyObject *bodies, Marks *marks) {
    memset(marks, 0, sizeof *marks);
    return words_of(methods, &marks->methods) < 0 || words_of(hints, &marks->hints) < 0 ||
                   words_of(types, &marks->types) < 0 || words_of(bodies, &marks->bodies) < 0
               ? -1
               : 0;
}

/* For the tests alone: what other_request or other_response says of these bytes. */
static PyObject *looks_other(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer buffer;
    PyObject *methods, *hints, *types, *bodies, *given = NULL;
    int response;
    Marks marks;
    if (!PyArg_ParseTuple(arguments, "y*pOOOO", &buffer, &response, &methods, &hints, &types, &bodies))
        return NULL;
    if (marks_from(methods, hints, types, bodies, &marks) == 0) {
        Py_ssize_t whole, target_size;
        const unsigned char *target;
        if (response)
            given = PyBool_FromLong(other_response(&marks, buffer.buf, buffer.len));
        else if (begins_request(&marks, buffer.buf, buffer.len) == 1 &&
                 other_request(&marks, buffer.buf, buffer.len, &whole, &target, &target_size))
            given = Py_BuildValue("ny#", whole, (const char *)target, target_size);
        else
            given = Py_NewRef(Py_None);
    }
    words_freed(&marks.methods), words_freed(&marks.hints), words_freed(&marks.types), words_freed(&marks.bodies);
    PyBuffer_Release(&buffer);
    return given;
}

static PyMethodDef LOOKS[] = {
    {"looks_other", looks_other, METH_VARARGS, "Whether bytes are an HTTP message that is certainly not SCEP's."},
    {NULL, NULL, 0, NULL},
};

int looks_added(PyObject *module) { return PyModule_AddFunctions(module, LOOKS); }
