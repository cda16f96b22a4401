/* The table of connections that are in the care of the compiled part, and what Python asks of it.
 *
 * Bounded by Flows' limit of directions (24,000 young ones, as many old ones: 48,000 connections at the most), by as many that are
 * followed (Flows.lends), by ``held_bytes`` for requests without a response, and by 4 MiB for bytes that wait in runs (_followed.c).
 */

#include "_stride.h"

enum { FIRST_ROOM = 256, LONGEST_CHAIN = 32 };

static PyTypeObject *table_type;

static uint64_t mixed(uint64_t word) { /* the finalizer of splitmix64 */
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9u;
    word = (word ^ word >> 27) * 0x94D049BB133111EBu;
    return word ^ word >> 31;
}

static uint64_t end_hash(uint64_t seed, const unsigned char *address, Py_ssize_t size, const unsigned char *port) {
    uint64_t hash = mixed(seed ^ big16(port));
    for (Py_ssize_t at = 0; at < size; at += 4)
        hash = mixed(hash ^ big32(address + at));
    return hash;
}

/* The same for both directions. Whoever does not know the seed can aim at no chain, and chains are bounded. */
static uint32_t chain_of(const Regular *table, const unsigned char *key, Py_ssize_t size) {
    Py_ssize_t half = (size - 4) / 2;
    uint64_t hash = end_hash(table->seed, key, half, key + 2 * half) + end_hash(table->seed, key + half, half, key + 2 * half + 2);
    return (uint32_t)(hash >> 16) & table->mask;
}

void key_reversed(const unsigned char *key, Py_ssize_t size, unsigned char *other) {
    Py_ssize_t half = (size - 4) / 2;
    memcpy(other, key + half, (size_t)half);
    memcpy(other + half, key, (size_t)half);
    memcpy(other + 2 * half, key + 2 * half + 2, 2);
    memcpy(other + 2 * half + 2, key + 2 * half, 2);
}

/* Which direction of a connection a key is; 0 where it is another one's. */
static int side_of(const Entry *entry, const unsigned char *key, Py_ssize_t size) {
    Py_ssize_t half = (size - 4) / 2;
    if (entry->key_size != size)
        return 0;
    if (!memcmp(entry->key, key, (size_t)size))
        return CLIENT;
    return !memcmp(entry->key, key + half, (size_t)half) && !memcmp(entry->key + half, key, (size_t)half) &&
                   !memcmp(entry->key + 2 * half, key + 2 * half + 2, 2) &&
                   !memcmp(entry->key + 2 * half + 2, key + 2 * half, 2)
               ? SERVER
               : 0;
}

/* Gives the side, 0 where the connection is not in the table's care. */
int table_find(const Regular *table, const unsigned char *key, Py_ssize_t key_size, uint32_t *entry) {
    uint32_t at = table->heads == NULL ? NOWHERE : table->heads[chain_of(table, key, key_size)];
    for (; at != NOWHERE; at = table->entries[at].following) {
        int side = side_of(&table->entries[at], key, key_size);
        if (side) {
            *entry = at;
            return side;
        }
    }
    return 0;
}

/* Room for one more entry: the arrays are doubled, and all chains made again. */
static int grown(Regular *table) {
    uint32_t room = table->room ? table->room * 2 : FIRST_ROOM;
    Entry *entries = PyMem_Realloc(table->entries, room * sizeof *entries);
    if (entries == NULL)
        return -1;
    table->entries = entries;
    uint32_t *heads = PyMem_Malloc(2 * (size_t)room * sizeof *heads);
    if (heads == NULL)
        return -1;
    PyMem_Free(table->heads);
    table->heads = heads, table->room = room, table->mask = 2 * room - 1;
    for (uint32_t at = 0; at <= table->mask; at++)
        heads[at] = NOWHERE;
    for (uint32_t at = 0; at < table->used; at++) /* all are in use: this one is called where none is free */
    {
        uint32_t chain = chain_of(table, entries[at].key, entries[at].key_size);
        entries[at].following = heads[chain];
        heads[chain] = at;
    }
    return 0;
}

/* A new entry in the chain of its key; NULL where there is no room for it. */
Entry *table_add(Regular *table, const unsigned char *key, Py_ssize_t size) {
    if (table->unused == NOWHERE && table->used == table->room && grown(table) < 0)
        return NULL;
    uint32_t chain = chain_of(table, key, size), length = 0, at;
    for (at = table->heads[chain]; at != NOWHERE; at = table->entries[at].following)
        if (++length >= LONGEST_CHAIN)
            return NULL;
    if (table->unused != NOWHERE) {
        at = table->unused;
        table->unused = table->entries[at].following;
    } else
        at = table->used++;
    Entry *entry = &table->entries[at];
    memset(entry, 0, sizeof *entry);
    memcpy(entry->key, key, (size_t)size);
    entry->key_size = (uint8_t)size;
    entry->following = table->heads[chain];
    table->heads[chain] = at;
    return entry;
}

void table_remove(Regular *table, uint32_t gone) {
    Entry *entry = &table->entries[gone];
    uint32_t *at = &table->heads[chain_of(table, entry->key, entry->key_size)];
    while (*at != gone)
        at = &table->entries[*at].following;
    *at = entry->following;
    *count_of(table, YOUNG) -= (entry->young & 1) + (entry->young >> 1);
    PyMem_Free(entry->request_bytes);
    entry->request_bytes = NULL;
    run_freed(table, entry);
    entry->key_size = 0;
    entry->following = table->unused;
    table->unused = gone;
}

static void emptied(Regular *table) {
    for (uint32_t at = 0; at < table->used; at++) {
        PyMem_Free(table->entries[at].request_bytes);
        run_freed(table, &table->entries[at]);
    }
    PyMem_Free(table->entries);
    PyMem_Free(table->heads);
    table->entries = NULL, table->heads = NULL;
    table->room = table->used = table->mask = 0;
    table->unused = table->hurried = NOWHERE;
    if (table->counts.buf != NULL)
        *count_of(table, YOUNG) = 0;
}

/* ---- what Python asks for -------------------------------------------------------------------------------------------------- */

/* Everything that is kept of a connection, which is forgotten here; None where it is not in the table's care. */
static PyObject *release(PyObject *self, PyObject *argument) {
    Regular *table = (Regular *)self;
    char *key;
    Py_ssize_t size;
    uint32_t at;
    if (PyBytes_AsStringAndSize(argument, &key, &size) < 0)
        return NULL;
    if ((size != 12 && size != LONGEST_KEY) || !table_find(table, (const unsigned char *)key, size, &at) ||
        table->entries[at].lent)
        Py_RETURN_NONE;
    PyObject *state = regular_state(&table->entries[at]);
    if (state != NULL)
        table_remove(table, at);
    return state;
}

/* A generation has gone by: what lay untouched in it is forgotten. Gives how many of those were open. */
static PyObject *age(PyObject *self, PyObject *arguments) {
    Regular *table = (Regular *)self;
    PyObject *young, *old;
    long alive = 0;
    if (!PyArg_ParseTuple(arguments, "O!O!", &PyDict_Type, &young, &PyDict_Type, &old))
        return NULL;
    PyObject *before[] = {table->young, table->old};
    table->young = Py_NewRef(young), table->old = Py_NewRef(old);
    Py_DECREF(before[0]);
    Py_DECREF(before[1]);
    for (uint32_t at = 0; at < table->used; at++) {
        Entry *entry = &table->entries[at];
        if (!entry->key_size || entry->lent)
            continue;
        if (!entry->young) {
            alive += entry->established && !entry->ended;
            table_remove(table, at);
            continue;
        }
        entry->old = entry->young;
        *count_of(table, YOUNG) -= (entry->young & 1) + (entry->young >> 1);
        entry->young = entry->tamed = 0;
    }
    return PyLong_FromLong(alive);
}

/* The keys of connections whose requests are held. */
static PyObject *holding(PyObject *self, PyObject *ignored) {
    (void)ignored;
    const Regular *table = (Regular *)self;
    PyObject *keys = PyList_New(0);
    for (uint32_t at = 0; keys != NULL && at < table->used; at++) {
        const Entry *entry = &table->entries[at];
        if (!entry->key_size || !entry->asked)
            continue;
        PyObject *key = PyBytes_FromStringAndSize((const char *)entry->key, entry->key_size);
        if (key == NULL || PyList_Append(keys, key) < 0)
            Py_CLEAR(keys);
        Py_XDECREF(key);
    }
    return keys;
}

static PyObject *clear(PyObject *self, PyObject *ignored) {
    (void)ignored;
    emptied((Regular *)self);
    Py_RETURN_NONE;
}

static int traverse(PyObject *self, visitproc visit, void *arg) {
    Regular *table = (Regular *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(table->young);
    Py_VISIT(table->old);
    Py_VISIT(table->met_tls);
    Py_VISIT(table->pass);
    return 0;
}

static int cleared(PyObject *self) {
    Regular *table = (Regular *)self;
    Py_CLEAR(table->met_tls);
    Py_CLEAR(table->pass);
    return 0;
}

static void freed(PyObject *self) {
    Regular *table = (Regular *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    emptied(table);
    cleared(self);
    Py_CLEAR(table->young);
    Py_CLEAR(table->old);
    words_freed(&table->marks.methods), words_freed(&table->marks.hints);
    words_freed(&table->marks.types), words_freed(&table->marks.bodies);
    if (table->counts.obj != NULL)
        PyBuffer_Release(&table->counts);
    freefunc free = PyType_GetSlot(type, Py_tp_free);
    free(self);
    Py_DECREF(type);
}

static PyObject *made(PyTypeObject *type, PyObject *arguments, PyObject *names) {
    PyObject *young, *old, *counts, *met_tls, *pass, *methods, *hints, *types, *bodies;
    long long most_young, most_held;
    unsigned long long seed;
    (void)names;
    if (!PyArg_ParseTuple(arguments, "O!O!OOOLLKOOOO", &PyDict_Type, &young, &PyDict_Type, &old, &counts, &met_tls, &pass,
                          &most_young, &most_held, &seed, &methods, &hints, &types, &bodies))
        return NULL;
    allocfunc allocate = PyType_GetSlot(type, Py_tp_alloc);
    Regular *table = (Regular *)allocate(type, 0);
    if (table == NULL)
        return NULL;
    table->unused = table->hurried = NOWHERE;
    table->seed = seed;
    table->most_young = most_young, table->most_held = most_held;
    table->young = Py_NewRef(young), table->old = Py_NewRef(old);
    table->met_tls = Py_NewRef(met_tls), table->pass = Py_NewRef(pass);
    int failed = PyObject_GetBuffer(counts, &table->counts, PyBUF_WRITABLE) < 0;
    if (!failed && table->counts.len != COUNTS * (Py_ssize_t)sizeof(int64_t)) {
        PyErr_SetString(PyExc_ValueError, "no such counts");
        failed = 1;
    }
    if (failed || words_of(methods, &table->marks.methods) < 0 || words_of(hints, &table->marks.hints) < 0 ||
        words_of(types, &table->marks.types) < 0 || words_of(bodies, &table->marks.bodies) < 0)
        Py_CLEAR(table);
    return (PyObject *)table;
}

static PyMethodDef METHODS[] = {
    {"release", release, METH_O, "Everything that is kept of a key's connection, which is forgotten here; None where there is none."},
    {"age", age, METH_VARARGS, "Make this generation the old one; gives how many open connections are forgotten."},
    {"holding", holding, METH_NOARGS, "The keys of connections whose requests are held."},
    {"lend", followed_lend, METH_VARARGS, "Take care of a connection that is followed; False where there is no room."},
    {"recover", followed_recover, METH_O, "Where both directions of a key's connection go on, and what waits; forgotten here."},
    {"expect", followed_expect, METH_VARARGS, "How many bytes of a direction end nothing, whatever they are."},
    {"hurry", followed_hurry, METH_NOARGS, "What waits of all connections is to go on before anything else."},
    {"clear", clear, METH_NOARGS, "Forget all connections."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot SLOTS[] = {
    {Py_tp_new, made},           {Py_tp_dealloc, freed}, {Py_tp_traverse, traverse}, {Py_tp_clear, cleared},
    {Py_tp_methods, METHODS},    {Py_tp_doc, "Connections that are not followed and whose course is regular."},
    {0, NULL},
};

static PyType_Spec SPEC = {"scep_analyzer.capture._stride.Regular", sizeof(Regular), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, SLOTS};

int table_added(PyObject *module) {
    if (table_type == NULL && (table_type = (PyTypeObject *)PyType_FromSpec(&SPEC)) == NULL)
        return -1;
    return PyModule_AddType(module, table_type);
}

/* A Regular, NULL with an exception where it is something else. */
Regular *table_from(PyObject *object) {
    if (table_type == NULL || !PyObject_TypeCheck(object, table_type)) {
        PyErr_SetString(PyExc_TypeError, "no table of regular connections");
        return NULL;
    }
    return (Regular *)object;
}
