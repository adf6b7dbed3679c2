"""What systems other than Linux answer: a module for each `!platform`, its table FACTS.

A fact is named after the documented call that answers it. What makes text of a structure is
apart from the call, so that every module can be imported and tried on any system.
"""
