#![cfg_attr(fuzzing, no_main)]
s3driver_fuzz::target!(s3driver_fuzz::conversation);
