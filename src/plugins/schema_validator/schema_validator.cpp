/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The validator type "schema", which accepts the events that a JSON Schema (draft 7) describes:
 * {"type": "schema", "schema": {...}, "documents": {...}}. No exception leaves this file.
 */
#include <mofka/register.h>
#include <mofka/driver.h>
#include <mofka/options.h>
#include <mofka/validator.h>

#include <cstring>
#include "plugins/schema_validator/check/checker.hpp"
#include "plugins/schema_validator/meta_schema.hpp"

extern "C" {
#include "plugins/schema_draft/draft.h"
}

using namespace mofka_schema;

#define EVENT_STACK_BYTES 4096 /* an event of a few hundred bytes is parsed without malloc */

/* ---- creating ------------------------------------------------------------------------------- */

static void meta_accept_all(const Value &, const std::string &) {
}

static const Checker &meta_checker() {
    static const Checker *checker = [] {
        Document document;
        json_parse("schema of schemas", meta_schema, sizeof meta_schema - 1, document);
        References references(meta_accept_all);
        references.add("", document);
        return new Checker(references); /* never freed: the library stays loaded */
    }();
    return *checker;
}

static void meta_check_schema(const Value &schema, const std::string &where) {
    std::string why, what = "schema validator: " + where;
    const Value *draft = schema.IsObject() ? json_child(schema, "$schema") : nullptr;
    if (draft && json_is_string(*draft) &&
        !mfi_draft_is_known(what.c_str(), draft->GetString(), draft->GetStringLength()))
        throw BadSchema(where + ": \"$schema\" is " + json_quote(json_string(*draft)) +
                        ", but must be \"http://json-schema.org/draft-07/schema#\"");
    if (!meta_checker().accepts(schema, &why))
        throw BadSchema(where + ": not a schema of draft 7: " + why);
}

static const Checker *schema_validator_compile(const char *schema_text,
                                               const char *documents_text) {
    Document schema, documents, meta;
    json_parse("schema validator: schema", schema_text, strlen(schema_text), schema);
    json_parse("schema validator: documents", documents_text, strlen(documents_text), documents);
    json_parse("schema of schemas", meta_schema, sizeof meta_schema - 1, meta);
    if (!documents.IsObject())
        throw BadSchema("\"documents\" is not an object of URIs and schemas");
    References references(meta_check_schema);
    references.add("", schema);
    references.add("http://json-schema.org/draft-07/schema", meta);
    for (const auto &member : documents.GetObject())
        references.add(json_string(member.name), member.value);
    return new Checker(references);
}

/* In a catch block: turn the exception into a status and a message, which begins with `what`. */
static mofka_status_t schema_validator_fail(mofka_status_t status, const char *what) {
    try {
        throw;
    } catch (const std::bad_alloc &) {
        return mofka_fail(MOFKA_ERR_MEMORY, "%s: no memory", what);
    } catch (const BadJson &error) {
        return mofka_fail(error.status, "%s", error.what());
    } catch (const std::exception &error) {
        return mofka_fail(status, "%s: %s", what, error.what());
    } catch (...) {
        return mofka_fail(status, "%s: unknown exception", what);
    }
}

static mofka_status_t schema_validator_validate(void *self, const char *metadata, size_t bytes,
                                                const mofka_data_view_t *) {
    try {
        char memory[EVENT_STACK_BYTES];
        Pool pool(memory, sizeof memory);
        Document document(&pool);
        std::string why;
        json_parse("schema: metadata", metadata, bytes, document);
        if (static_cast<const Checker *>(self)->accepts(document, &why))
            return MOFKA_OK;
        return mofka_fail(MOFKA_ERR_REFUSED, "schema: metadata %s", why.c_str());
    } catch (...) {
        return schema_validator_fail(MOFKA_ERR_REFUSED, "schema: metadata");
    }
}

static void schema_validator_destroy(void *self) {
    delete static_cast<const Checker *>(self);
}

static mofka_status_t schema_validator_create(const mofka_metadata_t *metadata,
                                              const mofka_validator_ops_t **ops, void **self) {
    static const mofka_validator_ops_t table = {sizeof table, schema_validator_validate,
                                                schema_validator_destroy};
    char *type = nullptr, *schema = nullptr, *documents = nullptr;
    const mofka_option_t options[] = {{"type", MOFKA_OPTION_STRING, &type, 0, 0, nullptr},
                                      {"schema", MOFKA_OPTION_JSON, &schema, 0, 0, nullptr},
                                      {"documents", MOFKA_OPTION_JSON, &documents, 0, 0, nullptr}};
    mofka_status_t status =
        mofka_options_read("schema validator", mofka_metadata_text(metadata, nullptr), options, 3);
    if (!status && !schema)
        status = mofka_fail(MOFKA_ERR_OPTION, "schema validator: option \"schema\" is missing");
    try {
        if (!status)
            *self = const_cast<Checker *>(
                schema_validator_compile(schema, documents ? documents : "{}"));
    } catch (...) {
        status = schema_validator_fail(MOFKA_ERR_OPTION, "schema validator: schema");
        if (status == MOFKA_ERR_JSON)
            status = MOFKA_ERR_OPTION;
    }
    *ops = &table;
    free(type);
    free(schema);
    free(documents);
    return status;
}
MOFKA_REGISTER_VALIDATOR(schema, schema_validator_create);
