"""Answering the API server: may this object be as it is, and with which addresses?"""
